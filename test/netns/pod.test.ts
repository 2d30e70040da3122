/** `twill pod` on hosts of a lab, with real namespaces, the real bridge plugin and agents between them. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { identifyProcess, isRunning } from "../../src/files/process-identity.ts";
import { MAX_UNDER_WAY, parsePingOutput } from "../../src/lab/measure/ping-output.ts";
import { withPodsLock } from "../../src/pod/pods-lock.ts";
import { eventually } from "../support/eventually.ts";
import { createLab } from "../support/lab.ts";
import type { Lab } from "../support/lab.ts";
import { PodHost } from "../support/pod-host.ts";
import { recordOf } from "../support/started-pod.ts";

const SLEEP = ["sleep", "3600"];
/** Three commands that start at once, on a busy machine. */
const START_TIMEOUT_MS = 20_000;

let folder: string;
let lab: Lab;
let one: PodHost;
let two: PodHost;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "twill-pod-test-"));
  lab = await createLab({ hosts: 2, pods: 0 });
  [one, two] = await Promise.all([
    PodHost.prepare(lab.host(0), folder),
    PodHost.prepare(lab.host(1), folder),
  ]);
});
afterAll(async () => {
  await lab.down();
  rmSync(folder, { recursive: true, force: true });
});

/** Makes a pod that must come up; resolves with its address. */
async function runChecked(host: PodHost, name: string, command?: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await host.run(name, command);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout.trim();
}

/** What removing all pods leaves: nothing. */
async function removeAll(host: PodHost, ...names: readonly string[]): Promise<void> {
  for (const name of names)
    expect(await host.pod("rm", name)).toMatchObject({ code: 0, stdout: "", stderr: "" });
  expect(await host.givenAddresses()).toEqual([]);
  expect((await host.pod("list")).stdout).toBe("NAME  ADDRESS  STATE  PID  COMMAND\n");
  await eventually(async () => expect(await host.attachedDevices()).toEqual([]));
}

/** Processes that have this lock file open: the one that holds it and those that wait. */
function openersOf(lockFile: string): number {
  const processes = readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name));
  const descriptors = processes.map((pid) => entriesOf(`/proc/${pid}/fd`));
  return descriptors.filter((paths) => paths.some((path) => targetOf(path) === lockFile)).length;
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory).map((name) => join(directory, name));
  } catch {
    return []; // the process is gone
  }
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return ""; // closed meanwhile
  }
}

describe("twill pod", () => {
  it("runs pods that reach each other over the overlay by their own addresses", async () => {
    const [first, second] = await Promise.all([runChecked(one, "web"), runChecked(two, "web")]);
    expect((await one.host.subnetFile()).subnet.toString()).toBe(`${first.replace(/[0-9]+$/, "0")}/24`);
    expect((await two.host.subnetFile()).subnet.toString()).toBe(`${second.replace(/[0-9]+$/, "0")}/24`);
    expect((await one.pod("ip", "web")).stdout).toBe(`${first}\n`);

    const ping = ["ping", "-n", "-D", "-c", `${20 + MAX_UNDER_WAY}`, "-i", "0.05"];
    for (const [host, target] of [
      [one, second],
      [two, first],
    ] as const) {
      const { stdout } = await host.exec("web", [...ping, target]);
      expect(parsePingOutput(stdout, 20)).toMatchObject({ sent: 20, lost: 0 });
    }
    const ask = [
      "node",
      "-e",
      `fetch("http://${second}:8080/").then(async (r) => console.log(await r.text()))`,
    ];
    const { stdout } = await eventually(async () => {
      const answer = await one.exec("web", ask);
      expect(answer.code).toBe(0);
      return answer;
    });
    expect(stdout).toContain(`${second} was asked by ${first}\n`);
    await Promise.all([removeAll(one, "web"), removeAll(two, "web")]);
  });

  it("passes on exit code, output and input of a command in the pod", async () => {
    await runChecked(one, "web", SLEEP);
    expect(await one.exec("web", ["sh", "-c", "echo out; echo err >&2; exit 7"])).toMatchObject({
      code: 7,
      stdout: "out\n",
      stderr: "err\n",
    });
    expect((await one.exec("web", ["sh", "-c", "kill -9 $$"])).code).toBe(137);
    expect((await one.exec("web", ["no-such-program"])).code).toBe(127);
    expect((await one.exec("web", ["ip", "-o", "link"])).stdout).toMatch(/1: lo: <[^>]*\bUP\b.*\n.*eth0@/);
    expect((await one.pod("exec", "web")).code).toBe(2);
    await removeAll(one, "web");
  });

  it("refuses a name that runs, and shows what runs", async () => {
    const address = await runChecked(one, "web", SLEEP);
    const { pid } = (await recordOf(one, "web")).process;
    expect(await one.run("web", SLEEP)).toMatchObject({
      code: 1,
      stderr: `twill: Cannot run pod web: it runs already, pid ${pid}; twill pod rm web ends it\n`,
    });
    expect((await one.pod("list")).stdout).toContain(`web   ${address}`);
    expect((await one.pod("list")).stdout).toContain(`  running  ${pid}`);
    await removeAll(one, "web");
  });

  it("gives pods that are made at once addresses of their own", async () => {
    const names = ["a", "b", "c", "d", "e"];
    const addresses = await Promise.all(names.map((name) => runChecked(one, name, SLEEP)));
    expect(new Set(addresses).size).toBe(names.length);
    expect(await one.attachedDevices()).toHaveLength(names.length);
    await removeAll(one, ...names);
  });

  it("makes one pod of a name that is run several times at once", async () => {
    const lockFile = join(one.podsDirectory, ".lock");
    const running = await withPodsLock(lockFile, async () => {
      const runs = Promise.all([1, 2, 3].map(() => one.run("web", SLEEP)));
      await eventually(() => expect(openersOf(lockFile)).toBe(4), { timeoutMs: START_TIMEOUT_MS }); // nobody goes on before it is free
      return { runs };
    });
    const runs = await running.runs;
    expect(runs.filter(({ code }) => code === 0)).toHaveLength(1);
    expect(runs.filter(({ stderr }) => stderr.includes("it runs already"))).toHaveLength(2);
    expect(await one.givenAddresses()).toHaveLength(1);
    await removeAll(one, "web");
  });

  it("gives a command its address before it starts, and its network until it has ended", async () => {
    const { gateway } = await one.host.subnetFile();
    const bye = `ping -n -c 1 -W 1 ${gateway.toString()} >/dev/null && touch ${folder}/bye; exit 0`;
    const script = `ip -4 -o addr show eth0; trap '${bye}' TERM; while :; do sleep 0.1; done`;
    const address = await runChecked(one, "web", ["sh", "-c", script]);
    const log = (): Promise<string> => readFile(join(one.podsDirectory, "web", "log"), "utf8");
    await eventually(async () => expect(await log()).toContain(` ${address}/24 `));
    await eventually(async () => {
      const { pid } = (await recordOf(one, "web")).process; // its trap is set once it sleeps
      expect(await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).not.toBe("");
    });
    await removeAll(one, "web");
    expect(existsSync(join(folder, "bye"))).toBe(true);
  });

  it("ends a pod with all that it started, whatever it thinks of SIGTERM, and removes it twice", async () => {
    await runChecked(one, "web", [
      "sh",
      "-c",
      "trap '' TERM; sleep 3600 & echo $!; while :; do sleep 0.1; done",
    ]);
    const child = await eventually(async () => {
      const text = await readFile(join(one.podsDirectory, "web", "log"), "utf8");
      expect(text).toMatch(/^[0-9]+\n/);
      return identifyProcess(Number(text.split("\n")[0]));
    });
    const { process: main } = await recordOf(one, "web");
    await removeAll(one, "web");
    expect(isRunning(main)).toBe(false);
    expect(child !== null && isRunning(child)).toBe(false);
    expect(await one.pod("rm", "web")).toMatchObject({ code: 0, stdout: "There is no pod web.\n" });
  });

  it("clears what a pod left that is gone, when its name is run again", async () => {
    await runChecked(one, "web", SLEEP);
    const { process: old } = await recordOf(one, "web");
    process.kill(old.pid, "SIGKILL");
    await eventually(() => expect(isRunning(old)).toBe(false));
    expect((await one.pod("ip", "web")).stderr).toContain("Cannot use pod web: its command has ended");
    expect((await one.pod("list")).stdout).toContain(" ended ");

    const address = await runChecked(one, "web", SLEEP);
    expect(await one.givenAddresses()).toEqual([address]);
    await eventually(async () => expect(await one.attachedDevices()).toHaveLength(1));
    await removeAll(one, "web");
  });

  it("leaves a process alone that has the pid of a pod's by chance", async () => {
    await runChecked(one, "web", SLEEP);
    const record = await recordOf(one, "web");
    process.kill(record.process.pid, "SIGKILL");
    await eventually(() => expect(isRunning(record.process)).toBe(false));
    const other = spawn("sleep", ["3600"], { stdio: "ignore", detached: true });
    try {
      const pid = other.pid ?? 0;
      const reused = { ...record, process: { pid, startTicks: record.process.startTicks } };
      await writeFile(one.recordFile("web"), JSON.stringify(reused));
      expect((await one.exec("web", ["true"])).stderr).toContain("its command has ended");
      await removeAll(one, "web");
      expect(other.exitCode ?? other.signalCode).toBeNull();
    } finally {
      other.kill("SIGKILL");
    }
  });

  it("takes what was killed before it had an address for gone", async () => {
    await mkdir(join(one.podsDirectory, "web"), { recursive: true }); // no record was written
    expect(await one.pod("rm", "web")).toMatchObject({ code: 0, stdout: "There is no pod web.\n" });
    await runChecked(one, "web", SLEEP);
    await removeAll(one, "web");
  });
});

describe("twill pod run on a host whose agent is another", () => {
  it("warns that the subnet may be another host's, and goes on", async () => {
    const { code, stderr } = await one.run("web", SLEEP, ["--run-dir", two.host.files.runDirectory]);
    const [own, other] = [await one.host.subnetFile(), await two.host.subnetFile()];
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: `twill: warning: ${one.host.files.subnetFile} says that this host leases ${own.subnet.toString()}, its agent leases ${other.subnet.toString()}; --subnet-file names the file that this agent writes\n`,
    });
    await removeAll(one, "web");
  });
});

describe("twill pod run that cannot", () => {
  it("says that there is no lease yet", async () => {
    const path = join(folder, "no-subnet.env");
    expect(await one.run("web", SLEEP, ["--wait", "0", "--subnet-file", path])).toMatchObject({
      code: 1,
      stderr: `twill: Cannot start a pod: after 0 s there is no ${path}; is twill agent running, and what does twill status say?\n`,
    });
  });

  it("says that there is no such program, and leaves nothing", async () => {
    for (const name of ["no-such-program", "cd", "/tmp"]) {
      expect(await one.run("web", [name, "7"])).toMatchObject({
        code: 1,
        stderr: `twill: Cannot run pod web: there is no program ${name}\n`,
      });
    }
    expect(existsSync(join(one.podsDirectory, "web"))).toBe(false);
    expect(await one.givenAddresses()).toEqual([]);
  });

  it("says what the plugin says, and what it leaves", async () => {
    const host = await PodHost.prepare(two.host, join(folder, "broken"));
    await host.writeConfig({
      cniVersion: "1.0.0",
      name: "pods",
      type: "bridge",
      bridge: "cni0",
      ipam: { type: "none-such" },
    });
    const refused = await host.run("web", SLEEP);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /^twill: Cannot run pod web: the CNI plugin bridge failed to ADD: .*none-such.*\(CNI error [0-9]+\); twill pod rm web has to remove what is left, as now .*\n$/,
    );
    await host.writeConfig({ cniVersion: "1.0.0", name: "pods", type: "bridge", bridge: "cni0" });
    await host.pod("rm", "--cni-config", host.configFile, "web");
    expect(existsSync(join(host.podsDirectory, "web"))).toBe(false);

    await host.writeConfig({ cniVersion: "1.0.0", name: "pods", type: "no-such-plugin" });
    expect((await host.run("web", SLEEP)).stderr).toMatch(
      /^twill: Cannot run pod web: there is no CNI plugin no-such-plugin in \/opt\/cni\/bin:[^;]*; install it there, or give --cni-path\n$/,
    );
    expect(existsSync(join(host.podsDirectory, "web"))).toBe(false);
  });

  it("keeps what it cannot detach, says why, and does so when it can", async () => {
    const host = await PodHost.prepare(two.host, join(folder, "keeping"));
    await runChecked(host, "web", SLEEP);
    const refused = await host.pod("rm", "--cni-path", "/nowhere", "web");
    expect([refused.code, refused.stderr]).toEqual([
      1,
      "twill: Cannot remove pod web: there is no CNI plugin bridge in /nowhere; install it there, or give --cni-path\n",
    ]);
    expect(await host.givenAddresses()).toHaveLength(1);
    await removeAll(host, "web");
  });

  it("says that a namespace needs a capability", async () => {
    const flags = [
      "--cni-config",
      join(folder, "h1", "cni.json"),
      "--subnet-file",
      one.host.files.subnetFile,
      "--run-dir",
      one.host.files.runDirectory,
    ];
    const directory = ["--pods-dir", join(folder, "unable")];
    const twill = join(import.meta.dirname, "../../bin/twill");
    const argv = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", twill, "pod", "run"];
    expect((await one.host.exec([...argv, ...directory, ...flags, "web", "--", ...SLEEP])).stderr).toMatch(
      /^twill: Cannot run pod web: .*Operation not permitted; a network namespace needs CAP_SYS_ADMIN\n$/,
    );
  });
});
