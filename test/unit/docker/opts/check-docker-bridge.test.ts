import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkDockerBridge, findBridgeFault } from "../../../../src/docker/opts/check-docker-bridge.ts";
import { requireSubnet } from "../../../../src/files/read-subnet-file.ts";
import { parseAddresses } from "../../../../src/kernel/addresses.ts";
import type { IpCommand } from "../../../../src/kernel/ip-command.ts";
import { parseLinks } from "../../../../src/kernel/links.ts";

const TEXT = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1450\n";

/** A device as `ip -j -d address show` has it. */
function deviceJson(ifindex: number, ifname: string, addresses: readonly string[]): object {
  const addr_info = addresses.map((text) => {
    const [local, length] = text.split("/");
    return { family: "inet", local, prefixlen: Number(length) };
  });
  return { ifindex, ifname, mtu: 1500, flags: ["UP"], linkinfo: { info_kind: "bridge" }, addr_info };
}

describe("findBridgeFault", () => {
  const lease = requireSubnet("subnet.env", TEXT);

  /** What is wrong on a host whose docker0 has these addresses, and whose other devices have those. */
  function faultOf(addresses: readonly string[], others: readonly [name: string, address: string][] = []) {
    const json = [
      deviceJson(3, "docker0", addresses),
      ...others.map(([name, one], i) => deviceJson(4 + i, name, [one])),
    ];
    return findBridgeFault(lease, {
      links: parseLinks(json),
      addresses: parseAddresses(json),
    });
  }

  it("finds none when the bridge has the lease's address among its own", () => {
    expect(faultOf(["10.244.7.1/24"])).toBeNull();
    expect(faultOf(["192.0.2.1/24", "10.244.7.1/24"])).toBeNull();
    expect(
      faultOf(
        ["10.244.7.1/24"],
        [
          ["flannel0", "10.244.7.0/32"],
          ["cni0", "10.244.8.1/24"],
        ],
      ),
    ).toBeNull();
  });

  it("names another bridge on the lease", () => {
    expect(faultOf(["10.244.7.1/24"], [["cni0", "10.244.7.1/24"]])).toBe(
      "device cni0 has 10.244.7.1 of this host's lease 10.244.7.0/24, which carries one network; run dockerd without --bip, " +
        "or remove its network where Docker has one (docker network rm), or once no container needs it: ip link delete dev cni0",
    );
  });

  it.each([
    [["172.17.0.1/16"], "docker0 has 172.17.0.1/16 and the lease is 10.244.7.1/24, so no other host reaches"],
    [["10.244.7.1/16"], "docker0 has 10.244.7.1/16 and the lease is 10.244.7.1/24"],
    [[], "docker0 has no address and the lease is 10.244.7.1/24"],
  ])("names both addresses: %j", (addresses, fault) => {
    expect(faultOf(addresses)).toContain(fault);
  });

  it("says that there is no bridge", () => {
    expect(findBridgeFault(lease, { links: [], addresses: [] })).toBe("there is no docker0: start Docker");
  });
});

describe("checkDockerBridge", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "twill-check-bridge-"));
    await writeFile(join(directory, "subnet.env"), TEXT);
  });
  afterEach(() => rm(directory, { recursive: true }));

  /** An `ip` that answers `ip -j -d address show` with this. */
  function ipWith(json: unknown): IpCommand {
    return {
      read: () => Promise.resolve(json),
      readBatch: () => Promise.reject(new Error("not asked for")),
      apply: () => Promise.reject(new Error("changes nothing")),
    };
  }

  const check = (json: unknown): Promise<string> =>
    checkDockerBridge(join(directory, "subnet.env"), ipWith(json), new AbortController().signal);

  it("tells agreement, mismatch and absence apart", async () => {
    expect(await check([deviceJson(3, "docker0", ["10.244.7.1/24"])])).toBe(
      "docker0 is on the leased subnet 10.244.7.0/24",
    );
    await expect(check([deviceJson(3, "docker0", [])])).rejects.toThrow(
      "Cannot use Docker's bridge: docker0 has no address and the lease is 10.244.7.1/24",
    );
    await expect(check([])).rejects.toMatchObject({ code: "ERR_DOCKER_FAILED" });
  });

  it("says that there is no lease", async () => {
    await rm(join(directory, "subnet.env"));
    await expect(check([])).rejects.toMatchObject({ code: "ERR_LEASE_MISSING" });
  });
});
