import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readDockerOptsRequest } from "../../../../src/docker/opts/docker-opts-request.ts";
import { makeDockerOpts, readIfFile } from "../../../../src/docker/opts/make-docker-opts.ts";
import type { DockerOptsDeps } from "../../../../src/docker/opts/make-docker-opts.ts";
import { parseAddresses } from "../../../../src/kernel/addresses.ts";
import { parseLinks } from "../../../../src/kernel/links.ts";

const SUBNET_FILE =
  "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
const COMBINED = 'DOCKER_OPTS=" --bip=10.244.7.1/24 --ip-masq=false --mtu=1450"\n';
const NO_ABORT = new AbortController().signal;

let directory: string;
let subnetFile: string;
let output: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "twill-docker-opts-"));
  subnetFile = join(directory, "subnet.env");
  output = join(directory, "docker_opts.env");
  await writeFile(subnetFile, SUBNET_FILE);
});
afterEach(() => rm(directory, { recursive: true }));

/** Runs it on a host without routes and devices; resolves with what the user was told. */
async function make(
  args: readonly string[] = [],
  differs: Partial<DockerOptsDeps> = {},
  target = output,
): Promise<string[]> {
  const request = readDockerOptsRequest(["-c", "-f", subnetFile, "-d", target, ...args]);
  if ("problem" in request) throw new Error("bad arguments");
  const told: string[] = [];
  const tell = (sentence: string): void => void told.push(sentence);
  const readRoutes = (): Promise<string> => Promise.resolve("");
  await makeDockerOpts(
    request,
    { environment: {}, readText: readIfFile, readRoutes, readDevices: devicesOf({}), tell, ...differs },
    NO_ABORT,
  );
  return told;
}

/** Reads the devices of a host, which have these addresses with their prefix lengths. */
function devicesOf(devices: Readonly<Record<string, string>>): DockerOptsDeps["readDevices"] {
  const json = Object.entries(devices).map(([ifname, text], i) => {
    const [local, length] = text.split("/");
    const facts = { ifindex: i + 2, ifname, mtu: 1500, flags: ["UP"], linkinfo: { info_kind: "bridge" } };
    return { ...facts, addr_info: [{ local, prefixlen: Number(length) }] };
  });
  return () => Promise.resolve({ links: parseLinks(json), addresses: parseAddresses(json) });
}

describe("makeDockerOpts", () => {
  it("writes the options of the subnet file, readable for all, and nothing beside them", async () => {
    expect(await make()).toEqual([]);
    expect(await readFile(output, "utf8")).toBe(COMBINED);
    expect((await stat(output)).mode & 0o777).toBe(0o644);
    expect((await readdir(directory)).sort()).toEqual(["docker_opts.env", "subnet.env"]);
  });

  it("puts a new file in the place of the old one, which keeps its mode", async () => {
    await writeFile(output, "old\n");
    await chmod(output, 0o600);
    const before = (await stat(output)).ino;
    await make();
    const after = await stat(output);
    expect(after.ino).not.toBe(before);
    expect(after.mode & 0o777).toBe(0o600);
  });

  it("goes on without a subnet file, and says so", async () => {
    await rm(subnetFile);
    expect(await make()).toEqual([`There is no ${subnetFile} yet: the options are without a subnet`]);
    expect(await readFile(output, "utf8")).toBe('DOCKER_OPTS=""\n');
    await mkdir(subnetFile); // the script reads regular files only
    expect(await make()).toHaveLength(1);
  });

  it("writes nothing without a lease when one is required", async () => {
    await writeFile(output, "old\n");
    await writeFile(subnetFile, "FLANNEL_MTU=1450\n");
    await expect(make(["--require-lease"])).rejects.toMatchObject({ code: "ERR_FILE_FAILED" });
    await rm(subnetFile);
    await expect(make(["--require-lease"])).rejects.toMatchObject({ code: "ERR_LEASE_MISSING" });
    expect(await readFile(output, "utf8")).toBe("old\n");
  });

  it("writes the lease that it has found, though the file is another one a moment later", async () => {
    const texts = [SUBNET_FILE, SUBNET_FILE.replace("10.244.7.1", "10.244.8.1"), null];
    const readText = (): Promise<string | null> => Promise.resolve(texts.shift() ?? null);
    await make(["--require-lease"], { readText });
    expect(await readFile(output, "utf8")).toBe(COMBINED);
  });

  it("leaves the old file alone when FLANNEL_IPMASQ is neither true nor false", async () => {
    await writeFile(output, "old\n");
    await writeFile(subnetFile, "FLANNEL_IPMASQ=1\n");
    await expect(make()).rejects.toMatchObject({ code: "ERR_DOCKER_FAILED" });
    expect(await readFile(output, "utf8")).toBe("old\n");
  });

  it("writes the file and then fails when a route leads the subnet elsewhere", async () => {
    const readRoutes = (): Promise<string> => Promise.resolve("10.244.7.0/24 via 192.0.2.4 dev eth0 \n");
    await expect(make([], { readRoutes })).rejects.toThrow(
      'Cannot give Docker the subnet of 10.244.7.1/24: the routing table already has "10.244.7.0/24 via 192.0.2.4 dev eth0"; ' +
        `remove that route (${output} is written)`,
    );
    expect(await readFile(output, "utf8")).toBe(COMBINED);
  });

  it("writes the file and then fails when another device than docker0 is on the subnet", async () => {
    const own = { flannel0: "10.244.7.0/32", docker0: "10.244.7.1/24", eth0: "192.0.2.1/24" };
    expect(await make([], { readDevices: devicesOf(own) })).toEqual([]);
    await rm(output);
    const readDevices = devicesOf({ ...own, twill0: "10.244.7.1/24" });
    await expect(make([], { readDevices })).rejects.toThrow(
      "Cannot give Docker the subnet of 10.244.7.1/24: device twill0 has 10.244.7.1 of this host's lease 10.244.7.0/24, " +
        "which carries one network; run dockerd without --bip, or remove its network where Docker has one (docker network rm), " +
        `or once no container needs it: ip link delete dev twill0 (${output} is written)`,
    );
    expect(await readFile(output, "utf8")).toBe(COMBINED);
  });

  it("looks at no devices for a subnet that is none, as the script writes it", async () => {
    await writeFile(subnetFile, "FLANNEL_SUBNET=what-ever\n");
    const readDevices = (): Promise<never> => Promise.reject(new Error("asked for devices"));
    await make([], { readDevices });
    expect(await readFile(output, "utf8")).toContain("--bip=what-ever");
  });

  it("does not look at routes without a subnet", async () => {
    await writeFile(subnetFile, "FLANNEL_MTU=1450\n");
    const readRoutes = (): Promise<string> => Promise.reject(new Error("asked for routes"));
    await make([], { readRoutes });
    expect(await readFile(output, "utf8")).toContain("--mtu=1450");
  });

  it("writes through a link, and into what is no regular file", async () => {
    const link = join(directory, "link");
    await writeFile(output, "old\n");
    await symlink(output, link);
    await make([], {}, link);
    expect(await readFile(output, "utf8")).toBe(COMBINED);
    expect((await stat(link)).ino).toBe((await stat(output)).ino);

    const pipe = join(directory, "pipe"); // not a device: one that is replaced by mistake would be the machine's
    execFileSync("mkfifo", [pipe]);
    const [text] = await Promise.all([readFile(pipe, "utf8"), make([], {}, pipe)]);
    expect(text).toBe(COMBINED);
    expect((await stat(pipe)).isFIFO()).toBe(true);
  });

  it("says where it cannot write", async () => {
    await expect(make([], {}, directory)).rejects.toThrow(`Cannot write ${directory}: EISDIR`);
    await expect(make([], {}, join(subnetFile, "x"))).rejects.toThrow(
      `${subnetFile} is a file, not a directory`,
    );
  });
});
