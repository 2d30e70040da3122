/** scripts/setup on a machine that has next to nothing: what it asks for, by its options. */
import { createHash } from "node:crypto";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEMO_TOOLS, checkMachine } from "../../src/lab/machine/required-tools.ts";
import { ScriptBench } from "../support/script-bench.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const TOOLS = ["bash", "sh", "cat", "dirname", "mkdir", "sha256sum", "tr", "uname"];
const DEMO_PROGRAMS =
  "ip iptables nft gcc etcd etcdctl ping traceroute iperf3 ethtool tcpdump sysctl nsenter".split(" ");
/** Packages that tests alone need, and by far the largest. */
const FOR_TESTS = ["clang", "docker-compose", "gcc-aarch64-linux-gnu", "slirp4netns", "strace"];
const LOCKFILE = "{}\n";
const QUIET = "--ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error";

let bench: ScriptBench;
let script: string;
beforeEach(async () => {
  bench = await ScriptBench.create(TOOLS);
  script = join(bench.directory, "scripts/setup");
  for (const name of ["setup", "node-path.sh"])
    await cp(join(ROOT, "scripts", name), join(bench.directory, "scripts", name));
  await writeFile(join(bench.directory, "package-lock.json"), LOCKFILE);
  await bench.program("id", "echo 1000"); // nothing is installed: it says what it would
  await bench.program("npm", 'mkdir -p "$3/node_modules"');
});
afterEach(() => bench[Symbol.asyncDispose]());

async function hasProgramsOfDemo(): Promise<void> {
  for (const name of DEMO_PROGRAMS) await bench.program(name, "");
}

/** Debian packages that it asks for. */
async function packagesFor(args: readonly string[]): Promise<string[]> {
  const { code, stderr } = await bench.run(script, args);
  expect(code).toBe("1");
  const [, names] = /^setup: +apt-get install --no-install-recommends (.*)$/m.exec(stderr) ?? [];
  return names?.split(" ") ?? [];
}

/** As {@link checkMachine} tells a user of the demo where nothing is installed. */
function packagesOfDemo(): string[] {
  try {
    checkMachine({ userId: 0, hasProgram: () => false, hasTun: true }, DEMO_TOOLS);
  } catch (err) {
    return /apt-get install ([^)]*)/.exec(String(err))?.[1]?.split(" ") ?? [];
  }
  return [];
}

describe("scripts/setup", () => {
  it("has every program of the lab and its demo in the lists of --demo", async () => {
    const text = await readFile(script, "utf8");
    const listed = ["AGENT_PACKAGES", "LAB_PACKAGES"].flatMap((name) => {
      const list = new RegExp(`^${name}="\\n([^"]*)"$`, "m").exec(text)?.[1] ?? "";
      return [...list.matchAll(/^(.*?):/gm)].map(([, packageName]) => packageName);
    });
    expect(packagesOfDemo()).toContain("etcd-server");
    expect(listed).toEqual(expect.arrayContaining(packagesOfDemo()));
  });

  it("asks for what --demo needs, without what is for tests alone", async () => {
    const [agent, demo, all] = [
      await packagesFor(["--agent"]),
      await packagesFor(["--demo"]),
      await packagesFor([]),
    ];
    expect(agent).not.toContain("etcd-server");
    expect(demo).toEqual(expect.arrayContaining([...agent, "etcd-server", "etcd-client", "iperf3"]));
    expect(demo.filter((name) => FOR_TESTS.includes(name))).toEqual([]);
    expect(all).toEqual(expect.arrayContaining([...demo, ...FOR_TESTS]));
  });

  it("installs the npm packages that run, once, and no Node.js where the machine's is new enough", async () => {
    await hasProgramsOfDemo();
    // Without scripts/build-native it ends there: what is asked here comes before.
    expect((await bench.run(script, ["--demo"])).stderr).toContain("scripts/build-native");
    await bench.run(script, ["--demo"]);
    expect(await bench.calls("npm")).toEqual([`npm ci --prefix ${bench.directory} --omit=dev ${QUIET}`]);
  });

  it("leaves all npm packages in place where they are", async () => {
    await mkdir(join(bench.directory, "node_modules"));
    const digest = createHash("sha256").update(LOCKFILE).digest("hex");
    await writeFile(join(bench.directory, "node_modules/.twill-lock"), `${digest}  -\n`);
    await hasProgramsOfDemo();
    await bench.run(script, ["--demo"]);
    expect(await bench.calls("npm")).toEqual([]);
  });

  it("refuses other options", async () => {
    expect(await bench.run(script, ["--all"])).toMatchObject({
      code: "2",
      stderr: "usage: scripts/setup [--agent|--demo], got: --all\n",
    });
  });
});
