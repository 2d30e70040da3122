/** What a runtime sees of `twill-cni`, with delegates that are small programs of the test. */
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runPlugin } from "../../../src/cni/run-plugin.ts";

const SUBNET_FILE = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1450\n";
const RESULT = '{"cniVersion":"1.0.0","ips":[{"address":"10.244.7.2/24"}]}\n';

let directory: string;
/** What the delegate was asked for, in order, as `ADD {config}`. */
let calls: () => Promise<string[]>;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "twill-cni-"));
  calls = async () =>
    (await readFile(join(directory, "calls"), "utf8").catch(() => "")).split("\n").slice(0, -1);
  await mkdir(join(directory, "bin"));
  await writeFile(join(directory, "subnet.env"), SUBNET_FILE);
  await delegate(`[ "$CNI_COMMAND" != ADD ] || printf '%s' '${RESULT}'`);
});
afterEach(() => rm(directory, { recursive: true }));

/** Makes the program `bridge`: it notes what it was asked for, then does this. */
async function delegate(then: string, name = "bridge"): Promise<void> {
  const note = `echo "$CNI_COMMAND $(cat)" >>"${directory}/calls"`;
  await writeFile(join(directory, "bin", name), `#!/bin/sh\n${note}\n${then}\n`);
  await chmod(join(directory, "bin", name), 0o755);
}

interface Run {
  readonly exitCode: number;
  readonly stdout: unknown;
  readonly stderr: string;
}

/** Calls the plugin as a runtime would. */
async function run(command: string, members: object = {}, env: Record<string, string> = {}): Promise<Run> {
  const config = {
    cniVersion: "1.0.0",
    name: "net",
    type: "twill-cni",
    subnetFile: join(directory, "subnet.env"),
    dataDir: join(directory, "data"),
    ...members,
  };
  let stderr = "";
  const { output, exitCode } = await runPlugin({
    env: {
      PATH: process.env.PATH,
      CNI_COMMAND: command,
      CNI_CONTAINERID: "c1",
      CNI_NETNS: "/run/netns/c1",
      CNI_IFNAME: "eth0",
      CNI_PATH: `${directory}/nothing:${directory}/bin`,
      ...env,
    },
    readInput: async () => Promise.resolve(JSON.stringify(config)),
    writeError: (text) => (stderr += text),
  });
  return { exitCode, stdout: output === "" ? "" : (JSON.parse(output) as unknown), stderr };
}

/** An error as a runtime reads it. */
function failure(code: number, message: string): unknown {
  return {
    exitCode: 1,
    stdout: expect.objectContaining({ code, msg: expect.stringContaining(message) as string }) as unknown,
    stderr: "",
  };
}

const SUCCESS = { exitCode: 0, stdout: "", stderr: "" };

async function dataFiles(): Promise<string[]> {
  return (await readdir(join(directory, "data")).catch(() => [])).sort();
}

describe("VERSION", () => {
  it("is answered without configuration", async () => {
    const end = await runPlugin({
      env: { CNI_COMMAND: "VERSION" },
      readInput: () => expect.unreachable("VERSION has no input"),
      writeError: () => undefined,
    });
    expect(end).toEqual({
      output: '{"cniVersion":"1.0.0","supportedVersions":["0.3.0","0.3.1","0.4.0","1.0.0"]}\n',
      exitCode: 0,
    });
  });

  it.each(["0.1.0", "1.1.0", "1.0", "x\n"])(
    "%j in a configuration is refused, with those that are spoken",
    async (cniVersion) => {
      expect(await run("ADD", { cniVersion })).toEqual(
        failure(1, "twill-cni speaks 0.3.0, 0.3.1, 0.4.0, 1.0.0"),
      );
      expect(await calls()).toEqual([]);
    },
  );
});

describe("ADD", () => {
  it("prints the delegate's result as it is and keeps what it was told, for root alone", async () => {
    expect(await run("ADD")).toEqual({ exitCode: 0, stdout: JSON.parse(RESULT) as unknown, stderr: "" });
    expect(await dataFiles()).toEqual(["net:c1:eth0"]);
    const path = join(directory, "data", "net:c1:eth0");
    expect([(await stat(path)).mode & 0o777, (await stat(join(directory, "data"))).mode & 0o777]).toEqual([
      0o600, 0o700,
    ]);
    const state = JSON.parse(await readFile(path, "utf8")) as { delegate: object; namespace: object };
    expect(await calls()).toEqual([`ADD ${JSON.stringify(state.delegate)}`]);
    expect(state.namespace).toEqual({ path: "/run/netns/c1", id: null });
  });

  it("keeps interfaces, containers and networks apart", async () => {
    await run("ADD");
    await run("ADD", {}, { CNI_IFNAME: "eth1" });
    await run("ADD", {}, { CNI_CONTAINERID: "c1-eth0" });
    await run("ADD", { name: "net-c1" });
    expect(await dataFiles()).toEqual(["net-c1:c1:eth0", "net:c1-eth0:eth0", "net:c1:eth0", "net:c1:eth1"]);
  });

  it("is to be tried again while there is no lease, and leaves nothing", async () => {
    await rm(join(directory, "subnet.env"));
    expect(await run("ADD")).toEqual(failure(11, "start twill agent and wait for its lease"));
    expect([await calls(), await dataFiles()]).toEqual([[], []]);
  });

  it("names a subnet file that is broken", async () => {
    await writeFile(join(directory, "subnet.env"), "FLANNEL_MTU=1450\n");
    expect(await run("ADD")).toEqual(
      failure(5, `Cannot read the subnet file ${directory}/subnet.env: it lacks`),
    );
  });

  it("says where Debian has a delegate that is missing, and leaves nothing", async () => {
    const missing = failure(
      4,
      `CNI_PATH ("${directory}/nothing", "${directory}"); Debian has it in package containernetworking-plugins, in /usr/lib/cni`,
    );
    expect(await run("ADD", {}, { CNI_PATH: `${directory}/nothing:${directory}` })).toEqual(missing);
    expect(await dataFiles()).toEqual([]);
    await chmod(join(directory, "bin", "bridge"), 0o644);
    expect(await run("ADD")).toEqual(failure(4, 'Cannot run the plugin "bridge"'));
  });

  it("passes the delegate's error on with its number, and the next DEL undoes what it had done", async () => {
    await delegate(
      `[ "$CNI_COMMAND" = DEL ] || { echo '{"code":11,"msg":"no address left","details":"of 254"}'; exit 1; }`,
    );
    expect(await run("ADD")).toEqual({
      exitCode: 1,
      stdout: {
        cniVersion: "1.0.0",
        code: 11,
        msg: "Cannot attach the container: bridge: no address left",
        details: "of 254",
      },
      stderr: "",
    });
    expect(await run("DEL")).toEqual(SUCCESS);
    const [add, del] = await calls();
    expect(del?.replace("DEL", "ADD")).toBe(add);
    expect(await dataFiles()).toEqual([]);
  });

  it.each([
    ["echo no JSON; exit 3", "exit status 3; see what it logged"],
    ["echo '[]'; exit 1", "exit status 1; see what it logged"],
    ["echo '{}'; exit 1", "exit status 1; see what it logged"],
    ["kill -9 $$", "killed by SIGKILL; see what it logged"],
  ])("tells how a delegate ended that gave no reason (%s)", async (then, message) => {
    await delegate(then);
    expect(await run("ADD")).toEqual(failure(100, `Cannot attach the container: bridge: ${message}`));
  });

  it("takes a delegate's words that have no number", async () => {
    await delegate(`echo '{"msg":"no address left"}'; exit 1`);
    expect(await run("ADD")).toEqual(failure(100, "Cannot attach the container: bridge: no address left"));
  });

  it("does not mind a delegate that reads nothing", async () => {
    await writeFile(join(directory, "bin", "bridge"), `#!/bin/sh\nexec <&-\nprintf '%s' '${RESULT}'\n`);
    expect(await run("ADD", { args: { cni: "x".repeat(1e6) } })).toMatchObject({ exitCode: 0 });
  });

  it("says the way out where another network has the bridge", async () => {
    await delegate(
      `echo '{"code":999,"msg":"\\"cni0\\" already has an IP address different from 10.244.7.1/24"}'; exit 1`,
    );
    expect(await run("ADD")).toEqual(
      failure(999, 'give the network one of its own with "delegate": {"bridge": NAME}'),
    );
  });

  it("first undoes an ADD that did not come to its end", async () => {
    await delegate("kill -9 $$");
    await run("ADD", { delegate: { bridge: "old0" } });
    await delegate(`[ "$CNI_COMMAND" != ADD ] || printf '%s' '${RESULT}'`);
    expect(await run("ADD", { delegate: { bridge: "new0" } })).toMatchObject({ exitCode: 0 });
    const told = (await calls()).map((line) => /^(\w+) .*"bridge":"(\w+)"/.exec(line)?.slice(1).join(" "));
    expect(told).toEqual(["ADD old0", "DEL old0", "ADD new0"]);
    expect(await dataFiles()).toEqual(["net:c1:eth0"]);
  });

  it("is refused for an interface that the container has from an earlier one, as often as it comes", async () => {
    const attached = { CNI_NETNS: "/proc/self/ns/net", CNI_IFNAME: "lo" };
    await run("ADD", {}, attached);
    const why =
      'lo of c1 is attached to network net already, in "/proc/self/ns/net"; detach it first (DEL), or remove that namespace once nothing runs in it';
    for (let i = 0; i < 2; i++) expect(await run("ADD", {}, attached)).toEqual(failure(101, why));
    expect(await run("ADD", {}, { ...attached, CNI_NETNS: "/run/netns/other" })).toEqual(failure(101, why));
    expect(await calls()).toHaveLength(1);
    expect(await dataFiles()).toEqual(["net:c1:lo"]);
    expect(await run("DEL", {}, attached)).toEqual(SUCCESS);
    expect(await run("ADD", {}, attached)).toMatchObject({ exitCode: 0 });
  });

  it("first undoes one whose namespace is gone, without a look into the new one", async () => {
    await delegate(`echo "$CNI_COMMAND in $CNI_NETNS" >>"${directory}/places"`);
    await run("ADD", { delegate: { bridge: "old0" } });
    expect(await run("ADD", { delegate: { bridge: "new0" } })).toMatchObject({ exitCode: 0 });
    const told = (await calls()).map((line) => /^(\w+) .*"bridge":"(\w+)"/.exec(line)?.slice(1).join(" "));
    expect(told).toEqual(["ADD old0", "DEL old0", "ADD new0"]);
    const places = ["ADD in /run/netns/c1", "DEL in ", "ADD in /run/netns/c1", ""];
    expect((await readFile(join(directory, "places"), "utf8")).split("\n")).toEqual(places);
    expect(await dataFiles()).toEqual(["net:c1:eth0"]);
  });

  it("is not kept from its work by a damaged file", async () => {
    await run("ADD");
    await writeFile(join(directory, "data", "net:c1:eth0"), "{");
    expect(await run("ADD")).toMatchObject({ exitCode: 0 });
    expect((await calls()).map((line) => line.split(" ")[0])).toEqual(["ADD", "ADD"]);
  });

  it("names a file in the way of its directory", async () => {
    await writeFile(join(directory, "data"), "");
    expect(await run("ADD")).toEqual(failure(5, `${directory}/data is a file, not a directory`));
    expect(await calls()).toEqual([]);
  });
});

describe("DEL", () => {
  it("is a success where nothing was attached, and when it is repeated", async () => {
    expect(await run("DEL")).toEqual(SUCCESS);
    await run("ADD");
    expect(await run("DEL")).toEqual(SUCCESS);
    expect(await run("DEL")).toEqual(SUCCESS);
    expect((await calls()).map((line) => line.split(" ")[0])).toEqual(["ADD", "DEL"]);
  });

  it("needs neither subnet file nor delegate options, which may have changed", async () => {
    await run("ADD", { delegate: { bridge: "old0" } });
    await rm(join(directory, "subnet.env"));
    expect(await run("DEL", { delegate: { name: "refused" } })).toEqual(SUCCESS);
    expect((await calls())[1]).toContain('"bridge":"old0"');
    expect(await dataFiles()).toEqual([]);
  });

  it("detaches what is told of as it was before a namespace was noted", async () => {
    await mkdir(join(directory, "data"));
    await writeFile(join(directory, "data", "net:c1:eth0"), '{"type":"bridge","bridge":"old0"}');
    expect(await run("DEL")).toEqual(SUCCESS);
    expect(await calls()).toEqual([expect.stringContaining('"bridge":"old0"')]);
    expect(await dataFiles()).toEqual([]);
  });

  it("keeps what it knows until the delegate's DEL succeeds", async () => {
    await run("ADD");
    await delegate(`echo '{"code":5,"msg":"busy"}'; exit 1`);
    expect(await run("DEL")).toEqual(failure(5, "Cannot detach the container: bridge: busy"));
    expect(await dataFiles()).toEqual(["net:c1:eth0"]);
    await delegate("true");
    expect(await run("DEL")).toEqual(SUCCESS);
    expect(await dataFiles()).toEqual([]);
  });

  it.each([
    "",
    "{",
    "[]",
    '{"delegate":{"type":"bridge"}}',
    '{"delegate":{"type":7},"namespace":{"path":"/x","id":null}}',
    '{"delegate":{"type":"../bridge"},"namespace":{"path":"/x","id":null}}',
  ])("is not blocked by a damaged file (%j)", async (text) => {
    await mkdir(join(directory, "data"));
    await writeFile(join(directory, "data", "net:c1:eth0"), text);
    const { stderr, ...end } = await run("DEL");
    expect(end).toEqual({ exitCode: 0, stdout: "" });
    expect(stderr).toBe(
      `twill-cni: Cannot detach what ${directory}/data/net:c1:eth0 tells of: it is damaged; removing it\n`,
    );
    expect([await calls(), await dataFiles()]).toEqual([[], []]);
  });

  it("removes what an ADD left that was killed while it wrote", async () => {
    await mkdir(join(directory, "data"));
    await writeFile(join(directory, "data", ".net:c1:eth0:unfinished.twill-new"), '{"type":');
    expect(await run("DEL")).toEqual(SUCCESS);
    expect(await dataFiles()).toEqual([]);
  });
});

describe("CHECK", () => {
  const prevResult = JSON.parse(RESULT) as object;

  it("asks the delegate, with the chain's result", async () => {
    await run("ADD", { cniVersion: "0.4.0" });
    expect(await run("CHECK", { prevResult })).toEqual(SUCCESS);
    const [added, checked] = (await calls()).map(
      (line) => JSON.parse(line.slice(line.indexOf("{"))) as object,
    );
    expect(checked).toEqual({ ...added, cniVersion: "1.0.0", prevResult });
  });

  it("knows only what was attached", async () => {
    expect(await run("CHECK", { prevResult })).toEqual(
      failure(3, "eth0 of c1 was not attached to network net by twill-cni"),
    );
  });

  it("fails when this host has another subnet now", async () => {
    await run("ADD");
    await rm(join(directory, "subnet.env"));
    expect(await run("CHECK", { prevResult })).toEqual(SUCCESS);
    await writeFile(join(directory, "subnet.env"), SUBNET_FILE.replace("10.244.7.1", "10.244.8.1"));
    expect(await run("CHECK", { prevResult })).toEqual(
      failure(100, "its address is of 10.244.7.0/24, and this host leases 10.244.8.0/24 now"),
    );
  });

  it.each([undefined, "0.3.1"])("is not there in version %s", async (cniVersion) => {
    await run("ADD", { cniVersion });
    expect(await run("CHECK", { cniVersion, prevResult })).toEqual(failure(1, "has no CHECK"));
  });
});

it("tells when the configuration cannot be read", async () => {
  const broken = {
    env: { CNI_COMMAND: "DEL", CNI_CONTAINERID: "c1", CNI_IFNAME: "eth0", CNI_PATH: "/x" },
    readInput: async () => Promise.reject(new Error("EISDIR: illegal operation on a directory, read")),
    writeError: () => undefined,
  };
  const { output, exitCode } = await runPlugin(broken);
  const msg =
    "Cannot read the network's configuration from standard input: EISDIR: illegal operation on a directory, read";
  expect([JSON.parse(output), exitCode]).toEqual([{ cniVersion: "1.0.0", code: 5, msg }, 1]);
});

it("refuses variables before they become a path", async () => {
  expect(await run("GC")).toEqual(failure(4, 'it is "GC"'));
  expect(await run("ADD", {}, { CNI_CONTAINERID: "../../etc/passwd" })).toEqual(
    failure(4, "CNI_CONTAINERID"),
  );
  expect(await run("DEL", {}, { CNI_IFNAME: "../x" })).toEqual(failure(4, "CNI_IFNAME"));
});
