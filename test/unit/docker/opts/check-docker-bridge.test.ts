import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkDockerBridge, findBridgeFault } from "../../../../src/docker/opts/check-docker-bridge.ts";
import { parseSubnetFile } from "../../../../src/files/subnet-file.ts";
import type { IpCommand } from "../../../../src/kernel/ip-command.ts";
import { OverlayError } from "../../../../src/net/overlay-error.ts";

const TEXT = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1450\n";

describe("findBridgeFault", () => {
  const lease = parseSubnetFile(TEXT);
  if (lease === null) throw new Error("bad subnet file");

  it("finds none when the bridge has the lease's address among its own", () => {
    expect(findBridgeFault(lease, { addresses: ["10.244.7.1/24"] })).toBeNull();
    expect(findBridgeFault(lease, { addresses: ["192.0.2.1/24", "10.244.7.1/24"] })).toBeNull();
  });

  it.each([
    [["172.17.0.1/16"], "docker0 has 172.17.0.1/16 and the lease is 10.244.7.1/24, so no other host reaches"],
    [["10.244.7.1/16"], "docker0 has 10.244.7.1/16 and the lease is 10.244.7.1/24"],
    [[], "docker0 has no address and the lease is 10.244.7.1/24"],
  ])("names both addresses: %j", (addresses, fault) => {
    expect(findBridgeFault(lease, { addresses })).toContain(fault);
  });

  it("says that there is no bridge", () => {
    expect(findBridgeFault(lease, null)).toBe("there is no docker0: start Docker");
  });
});

describe("checkDockerBridge", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "twill-check-bridge-"));
    await writeFile(join(directory, "subnet.env"), TEXT);
  });
  afterEach(() => rm(directory, { recursive: true }));

  /** An `ip` that answers `ip -j -d address show dev docker0` with this, or says that there is no such device. */
  function ipWith(json: unknown): IpCommand {
    return {
      read: () =>
        json === null
          ? Promise.reject(new OverlayError("ERR_KERNEL_FAILED", "none", { missingDevice: "docker0" }))
          : Promise.resolve(json),
      readBatch: () => Promise.reject(new Error("not asked for")),
      apply: () => Promise.reject(new Error("changes nothing")),
    };
  }

  const check = (json: unknown): Promise<string> =>
    checkDockerBridge(join(directory, "subnet.env"), ipWith(json), new AbortController().signal);
  const DOCKER0 = { ifindex: 3, ifname: "docker0", mtu: 1500, flags: ["UP"] };

  it("tells agreement, mismatch and absence apart", async () => {
    const address = { family: "inet", local: "10.244.7.1", prefixlen: 24 };
    expect(await check([{ ...DOCKER0, addr_info: [address] }])).toBe(
      "docker0 is on the leased subnet 10.244.7.0/24",
    );
    await expect(check([{ ...DOCKER0, addr_info: [] }])).rejects.toThrow(
      "Cannot use Docker's bridge: docker0 has no address and the lease is 10.244.7.1/24",
    );
    await expect(check(null)).rejects.toMatchObject({ code: "ERR_DOCKER_FAILED" });
  });

  it("says that there is no lease", async () => {
    await rm(join(directory, "subnet.env"));
    await expect(check([])).rejects.toMatchObject({ code: "ERR_LEASE_MISSING" });
  });
});
