import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { runProgram } from "../../../src/cli/program.ts";
import { LeasedFolder } from "../../support/leased-folder.ts";
import { FRESH, VERSION_28 } from "../docker/network/recorded-networks.ts";

let folder: LeasedFolder;
beforeEach(async () => (folder = await LeasedFolder.create()));
afterEach(() => folder[Symbol.asyncDispose]());

/** Runs `twill docker-network create`; resolves with its status and all it printed. */
async function create(...args: string[]): Promise<{ status: number; text: string }> {
  let text = "";
  const keep = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  const status = await runProgram(["docker-network", "create", ...args], keep, keep);
  return { status, text };
}

/** A program that prints what an engine 28 did, and writes down the arguments of what would change it. */
async function standInForDocker(): Promise<string> {
  const program = join(folder.directory, "docker");
  const script = `#!/bin/sh
cd '${folder.directory}'
case "$1 $2" in
  "version --format") cat version ;;
  "network ls") echo 1f ;;
  "network inspect") cat networks ;;
  *) printf '%s\\n' "$@" >changed ;;
esac
`;
  await writeFile(join(folder.directory, "version"), VERSION_28);
  await writeFile(join(folder.directory, "networks"), FRESH);
  await writeFile(program, script);
  await chmod(program, 0o755);
  return program;
}

describe("twill docker-network create", () => {
  it("hands Docker what its options ask for", async () => {
    const docker = await standInForDocker();
    const devices = ["--published-only", "--overlay-device", "eth0", "--overlay-device=eth1"];
    const made = await create(
      "--docker",
      docker,
      "--subnet-file",
      folder.subnetFile,
      ...devices,
      "--bridge=ov0",
      "app",
    );
    expect(made).toEqual({
      status: 0,
      text: 'Docker network "app" is made: subnet 10.244.7.0/24, gateway 10.244.7.1, MTU 1450\n',
    });
    const changed = await readFile(join(folder.directory, "changed"), "utf8");
    expect(changed.split("\n").slice(0, -1)).toEqual([
      ...["network", "create", "--driver", "bridge", "--subnet", "10.244.7.0/24", "--gateway", "10.244.7.1"],
      ...["-o", "com.docker.network.driver.mtu=1450", "-o", "com.docker.network.bridge.name=ov0"],
      ...["-o", "com.docker.network.bridge.enable_ip_masquerade=false"],
      ...["-o", "com.docker.network.bridge.trusted_host_interfaces=eth0:eth1"],
      ...["--label", "twill.subnet=10.244.7.0/24", "app"],
    ]);
  });

  it("tells a wrong name from a host without a lease, and both from a missing docker", async () => {
    expect(await create("--subnet-file", folder.subnetFile, "host")).toEqual({
      status: 2,
      text: 'twill: Cannot use network name "host": Docker has a network of that name by itself\n',
    });
    expect(
      await create("--docker", join(folder.directory, "none"), "--subnet-file", folder.subnetFile, "app"),
    ).toMatchObject({
      status: 1,
      text: expect.stringContaining("not found in PATH, install docker.io or docker-ce-cli") as string,
    });
    vi.stubEnv("FLANNELD_SUBNET_FILE", join(folder.directory, "unset")); // a flag wins
    expect(await create("--subnet-file", join(folder.directory, "none"), "app")).toMatchObject({
      status: 1,
      text: expect.stringMatching(
        /^twill: Cannot use this host's subnet: there is no .*none yet; start twill agent/,
      ) as string,
    });
    expect((await create("app")).text).toContain(`there is no ${join(folder.directory, "unset")} yet`);
    vi.unstubAllEnvs();
  });
});
