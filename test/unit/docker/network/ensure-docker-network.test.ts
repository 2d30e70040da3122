import { rm } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ensureDockerNetwork } from "../../../../src/docker/network/ensure-docker-network.ts";
import type { DockerCommand } from "../../../../src/docker/network/docker-command.ts";
import type { NetworkRequest } from "../../../../src/docker/network/wanted-network.ts";
import type { IpCommand } from "../../../../src/kernel/ip-command.ts";
import { LeasedFolder } from "../../../support/leased-folder.ts";
import { FRESH, VERSION_20_10, VERSION_28, WITH_APP_20_10 } from "./recorded-networks.ts";

/** What a run of `docker` prints; with words on standard error it fails. */
interface Answer {
  readonly stdout?: string;
  readonly stderr?: string;
}

let folder: LeasedFolder;
beforeEach(async () => (folder = await LeasedFolder.create()));
afterEach(() => folder[Symbol.asyncDispose]());

/** An `ip` that answers `ip -j -d address show` with devices of these names, with the address 10.244.7.0/32 each. */
function ipWith(names: readonly string[]): IpCommand {
  const addr_info = [{ family: "inet", local: "10.244.7.0", prefixlen: 32 }];
  return {
    read: () => Promise.resolve(names.map((ifname, i) => ({ ifindex: i + 1, ifname, mtu: 1450, addr_info }))),
    readBatch: () => Promise.reject(new Error("not asked for")),
    apply: () => Promise.reject(new Error("changes nothing")),
  };
}

/**
 * Runs it with an engine that gives these answers, by subcommand, on a host with these devices; resolves with the runs that
 * would change something.
 */
async function create(
  answers: Readonly<Record<string, Answer>>,
  request: Partial<NetworkRequest> = {},
  devices: readonly string[] = ["lo", "flannel0"],
) {
  const changes: string[][] = [];
  const docker: DockerCommand = (args) => {
    const verb = args[0] === "network" ? (args[1] ?? "") : (args[0] ?? "");
    if (!["version", "ls", "inspect"].includes(verb)) changes.push([...args]);
    const { stdout = "", stderr = "" } = answers[verb] ?? {};
    return Promise.resolve({ stdout, stderr, error: stderr === "" ? null : new Error(stderr) });
  };
  const asked = {
    name: "app",
    subnetFile: folder.subnetFile,
    bridge: null,
    isPublishedOnly: false,
    overlayDevices: [],
    ...request,
  };
  const sentences = await ensureDockerNetwork(asked, docker, ipWith(devices), new AbortController().signal);
  return { changes, sentences };
}

const IDS = { stdout: "1f\n2f\n" };
const ENGINE = { version: { stdout: VERSION_20_10 }, ls: IDS, inspect: { stdout: FRESH } };

describe("ensureDockerNetwork", () => {
  it("makes what is missing and tells its facts", async () => {
    const { changes, sentences } = await create(ENGINE);
    expect(changes).toHaveLength(1);
    expect(changes[0]?.slice(0, 2)).toEqual(["network", "create"]);
    expect(sentences).toEqual([
      'Docker network "app" is made: subnet 10.244.7.0/24, gateway 10.244.7.1, MTU 1450',
    ]);
  });

  it("changes nothing when it is there", async () => {
    const { changes, sentences } = await create({ ...ENGINE, inspect: { stdout: WITH_APP_20_10 } });
    expect(changes).toEqual([]);
    expect(sentences).toEqual([
      'Docker network "app" is there already: subnet 10.244.7.0/24, gateway 10.244.7.1, MTU 1450',
    ]);
  });

  it("changes nothing when another one is in the way", async () => {
    const refused = create({ ...ENGINE, inspect: { stdout: WITH_APP_20_10 } }, { name: "other" });
    await expect(refused).rejects.toMatchObject({ code: "ERR_DOCKER_FAILED" });
  });

  it("changes nothing when a device is in the way", async () => {
    await expect(create(ENGINE, {}, ["lo", "twill0"])).rejects.toMatchObject({ code: "ERR_DOCKER_FAILED" });
  });

  it("trusts the overlay's devices of this host with --published-only", async () => {
    const devices = ["lo", "flannel.1", "flannel0", "flannel-x", "xflannel0"];
    const engine = { ...ENGINE, version: { stdout: VERSION_28 } };
    const { changes } = await create(engine, { isPublishedOnly: true }, devices);
    expect(changes[0]).toContain("com.docker.network.bridge.trusted_host_interfaces=flannel.1:flannel0");
  });

  it("overlooks a network that is removed while it looks", async () => {
    const gone = { stdout: FRESH, stderr: "Error: No such network: 2f\n" };
    expect((await create({ ...ENGINE, inspect: gone })).changes).toHaveLength(1);
    const broken = { stdout: FRESH, stderr: "Error response from daemon: something else\n" };
    await expect(create({ ...ENGINE, inspect: broken })).rejects.toThrow(
      "Cannot inspect Docker's networks: something else",
    );
  });

  it("asks nothing of Docker without a lease, or with a name that cannot be", async () => {
    await expect(create({}, { name: "host" })).rejects.toMatchObject({ code: "ERR_OPTION_INVALID" });
    await rm(folder.subnetFile);
    await expect(create({})).rejects.toMatchObject({ code: "ERR_LEASE_MISSING" });
  });

  it("says which step failed, and why", async () => {
    const down = {
      stdout: "null\n",
      stderr: "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?\n",
    };
    await expect(create({ ...ENGINE, version: down })).rejects.toThrow(
      "Cannot ask Docker for its version: no Docker daemon answers at unix:///x; start it",
    );
    await expect(create({ ...ENGINE, version: { stdout: "null\n" } })).rejects.toThrow(
      'Cannot read Docker\'s version: it said "null"',
    );
    await expect(create({ ...ENGINE, ls: { stderr: "no" } })).rejects.toThrow(
      "Cannot list Docker's networks: no",
    );
    const overlaps = {
      stderr: "Error response from daemon: Pool overlaps with other one on this address space\n",
    };
    await expect(create({ ...ENGINE, create: overlaps })).rejects.toThrow(
      'Cannot make network "app": Pool overlaps with other one on this address space',
    );
  });
});
