/** Pods whose first process is gone and whose network is not: their addresses are nobody else's until it is. */
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, readlinkSync, rmSync, statSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { isRunning } from "../../src/files/process-identity.ts";
import type { CommandResult } from "../../src/lab/machine/run-command.ts";
import { buildCProgram } from "../support/build-c-program.ts";
import { printed } from "../support/child-output.ts";
import { eventually } from "../support/eventually.ts";
import { createLab } from "../support/lab.ts";
import type { Lab } from "../support/lab.ts";
import { PodHost } from "../support/pod-host.ts";
import { killLeader, pidsIn, recordOf, startPod } from "../support/started-pod.ts";
import type { StartedPod } from "../support/started-pod.ts";

const TWILL = join(import.meta.dirname, "../../bin/twill");

let folder: string;
let lab: Lab;
/** Has one address for pods: who gets it twice, has it twice. */
let host: PodHost;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "twill-pod-survivors-"));
  lab = await createLab({ hosts: 1, pods: 0 });
  host = await PodHost.prepare(lab.host(0), folder, 1);
});
afterEach(async () => {
  for (const name of ["web", "other"]) await host.pod("rm", "--cni-config", host.configFile, name);
});
afterAll(async () => {
  await lab.down();
  rmSync(folder, { recursive: true, force: true });
});

/** Nobody gets the pod's address while somebody is in its network, and all is gone after `pod rm`. */
async function expectHeldUntilRemoved(pod: StartedPod): Promise<void> {
  await eventually(() => expect(isRunning(pod.record.process)).toBe(false));
  const again = await host.run("web", ["sleep", "60"]);
  expect(again.stderr).toMatch(
    /^twill: Cannot run pod web: it runs already, pid [0-9]+; twill pod rm web ends it\n$/,
  );
  expect((await host.run("other", ["sleep", "60"])).stderr).toContain("no IP addresses available");
  expect(await host.givenAddresses()).toEqual([pod.address]);
  expect(pidsIn(pod.netns)).not.toEqual([]);

  expect(await host.pod("rm", "web")).toMatchObject({ code: 0, stdout: "", stderr: "" });
  expect(pidsIn(pod.netns)).toEqual([]);
  expect([await host.givenAddresses(), await host.attachedDevices()]).toEqual([[], []]);
  expect((await startPod(host, "other", ["sleep", "60"])).address).toBe(pod.address);
}

const QUOTED = "echo $$; exec sleep 3600";

describe("a pod whose first process is gone", () => {
  it.each([
    ["a child in a session of its own", `setsid sh -c '${QUOTED}' & exit 0`],
    ["a grandchild without its environment", `(env -i setsid sh -c '${QUOTED}' &) & exit 0`],
    [
      "several, deaf to SIGTERM",
      `for i in 1 2 3; do setsid sh -c 'trap "" TERM; sleep 3600; exit' & done; exit 0`,
    ],
    ["one of another user", `setpriv --reuid=65534 --clear-groups setsid sh -c '${QUOTED}' & exit 0`],
  ])("keeps its address for %s", async (_who, script) => {
    await expectHeldUntilRemoved(await startPod(host, "web", ["sh", "-c", script]));
  });

  it("keeps it for an open exec", async () => {
    const pod = await startPod(host, "web", ["sleep", "3600"]);
    const exec = host.exec("web", ["sh", "-c", "exec sleep 3600"]);
    await eventually(() => expect(pidsIn(pod.netns)).toHaveLength(2));
    await killLeader(pod);
    await expectHeldUntilRemoved(pod);
    expect((await exec).code).toBe(128 + 15);
  });

  it("is shown, and can be used, by what is left of it", async () => {
    const pod = await startPod(host, "web", ["sh", "-c", `setsid sh -c '${QUOTED}' & exit 0`]);
    await eventually(() => expect(isRunning(pod.record.process)).toBe(false));
    const [pid = 0] = pidsIn(pod.netns);
    expect((await host.pod("list")).stdout).toContain(`web   ${pod.address}  running  ${pid}  sh -c`);
    expect((await host.pod("ip", "web")).stdout).toBe(`${pod.address}\n`);
    expect((await host.exec("web", ["ip", "-4", "-o", "addr", "show", "eth0"])).stdout).toContain(
      ` ${pod.address}/24 `,
    );
  });

  it("ends with those that start others while they are ended", async () => {
    // Each is deaf, starts a sleeper and its own successor in a session of its own, and ends: some hundred a second.
    const script = join(folder, "spawn.sh");
    const count = join(folder, "spawned");
    await writeFile(
      script,
      `trap '' TERM; [ "$1" -gt 0 ] || exit 0; echo "$1" >>${count}; sleep 3600 & setsid sh ${script} $(($1 - 1)) & exit 0\n`,
    );
    const generations = 6_000;
    const pod = await startPod(host, "web", ["sh", script, `${generations}`]);
    const left = (): number => Number(readFileSync(count, "utf8").trim().split("\n").at(-1));
    await eventually(() => expect(left()).toBeLessThan(generations - 20));
    expect(await host.pod("rm", "web")).toMatchObject({ code: 0, stderr: "" });
    expect(pidsIn(pod.netns)).toEqual([]);
    expect(left()).toBeGreaterThan(1); // it did not come to its end by itself
    expect(await host.givenAddresses()).toEqual([]);
  });

  it("gives its address back when nobody is left, and takes it from who holds the network unseen", async () => {
    const pod = await startPod(host, "web", ["sleep", "3600"]);
    const held = openSync(`/proc/${pod.record.process.pid}/ns/net`, "r"); // as a mount of `ip netns attach` does
    try {
      await killLeader(pod);
      expect((await host.pod("list")).stdout).toContain(" ended ");
      expect(await host.attachedDevices()).toHaveLength(1);
      expect(await host.pod("rm", "web")).toMatchObject({ code: 0, stderr: "" });
      const inside = await host.host.exec([
        "nsenter",
        `--net=/proc/${process.pid}/fd/${held}`,
        "ip",
        "-o",
        "link",
      ]);
      expect(inside.stdout).toMatch(/^1: lo: [^\n]*\n$/);
      expect((await startPod(host, "other", ["sleep", "60"])).address).toBe(pod.address);
    } finally {
      closeSync(held);
    }
  });

  it("leaves a namespace alone that has its number by now", async () => {
    const pod = await startPod(host, "web", ["sleep", "3600"]);
    await killLeader(pod);
    const other = spawn("unshare", ["--net", "sleep", "3600"], { stdio: "ignore" });
    try {
      const ownDev = statNetDev("self");
      const number = await eventually(() => {
        const found = statNetDev(`${other.pid ?? 0}`);
        return found === ownDev ? false : found;
      });
      const reused = { ...pod.record, netns: { ...pod.record.netns, number } };
      await writeFile(host.recordFile("web"), JSON.stringify(reused));
      expect((await host.pod("list")).stdout).toContain(" ended ");
      expect(await host.pod("rm", "web")).toMatchObject({ code: 0, stderr: "" });
      expect(other.exitCode ?? other.signalCode).toBeNull();
    } finally {
      other.kill("SIGKILL");
    }
  });

  it("ends with a first process that went elsewhere, and nobody there does", async () => {
    const bystander = spawn("unshare", ["--net", "sleep", "3600"], { stdio: "ignore" });
    try {
      const elsewhere = `/proc/${bystander.pid ?? 0}/ns/net`;
      const ours = readlinkSync("/proc/self/ns/net");
      const there = await eventually(() => {
        const netns = readlinkSync(elsewhere);
        return netns === ours ? false : netns;
      });
      const { code, stdout } = await host.run("web", [
        "nsenter",
        `--net=${elsewhere}`,
        "--",
        "sleep",
        "3600",
      ]);
      expect(code).toBe(0);
      const { process: leader } = await recordOf(host, "web");
      await eventually(() => expect(readlinkSync(`/proc/${leader.pid}/ns/net`)).toBe(there));
      expect((await host.run("web", ["sleep", "60"])).stderr).toContain(
        `it runs already, pid ${leader.pid};`,
      );
      expect(await host.givenAddresses()).toEqual([stdout.trim()]);
      expect(await host.pod("rm", "web")).toMatchObject({ code: 0, stdout: "", stderr: "" });
      expect(isRunning(leader)).toBe(false);
      expect(await host.givenAddresses()).toEqual([]);
      expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
    } finally {
      bystander.kill("SIGKILL");
    }
  });

  it.each(["first", "second"])(
    "leaves a process alone that only looks in with its %s thread",
    async (thread) => {
      const pod = await startPod(host, "web", ["sleep", "3600"]);
      const source = join(import.meta.dirname, "../support/thread-in-netns.c");
      await using program = await buildCProgram(source, [], ["-pthread"]);
      const visitor = spawn(program.path, [`/proc/${pod.record.process.pid}/ns/net`, thread], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      try {
        await printed(visitor, "there");
        expect(await host.pod("rm", "web")).toMatchObject({ code: 0, stdout: "", stderr: "" });
        expect(isRunning(pod.record.process)).toBe(false);
        expect([await host.givenAddresses(), await host.attachedDevices()]).toEqual([[], []]);
        expect(visitor.exitCode ?? visitor.signalCode).toBeNull();
      } finally {
        visitor.kill("SIGKILL");
      }
    },
  );

  it("is not removed from inside", async () => {
    const pod = await startPod(host, "web", ["sleep", "3600"]);
    const inside = await host.exec("web", [TWILL, "pod", "rm", "--pods-dir", host.podsDirectory, "web"]);
    expect([inside.code, inside.stderr]).toEqual([
      1,
      "twill: Cannot remove pod web: this command itself runs in its network; run it on the host\n",
    ]);
    expect(isRunning(pod.record.process)).toBe(true);
  });
});

describe("twill pod in a container, without CAP_SYS_PTRACE", () => {
  const asNobody = "setpriv --reuid=65534 --clear-groups";

  /** Processes of its own and no others, with the capabilities of one that runs pods. */
  let enter: readonly string[];
  let container: Promise<CommandResult>;
  beforeAll(async () => {
    const pidFile = join(folder, "container");
    const init = `echo $$ >${pidFile}; exec unshare --pid --fork --mount-proc --kill-child sleep 3600`;
    container = host.host.exec(["sh", "-c", init], { timeoutMs: 600_000 });
    const pid = await eventually(() => {
      const outer = readFileSync(pidFile, "utf8").trim();
      const children = readFileSync(`/proc/${outer}/task/${outer}/children`, "utf8").trim();
      expect(children).toMatch(/^[0-9]+$/);
      expect(readFileSync(`/proc/${children}/comm`, "utf8")).toBe("sleep\n"); // /proc is mounted by then
      return children;
    });
    const caps = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"];
    enter = ["nsenter", "--pid", "--mount", `--target=${pid}`, "--", ...caps];
  });
  afterAll(async () => {
    process.kill(Number(readFileSync(join(folder, "container"), "utf8")), "SIGKILL");
    await container;
  });

  async function twill(subcommand: string, ...args: readonly string[]): Promise<CommandResult> {
    return await host.host.exec([
      ...enter,
      TWILL,
      "pod",
      subcommand,
      "--pods-dir",
      host.podsDirectory,
      ...args,
    ]);
  }

  /** Makes a pod in the container; resolves with its namespace when so many are in it. */
  async function startInContainer(script: string, count: number): Promise<string> {
    const { subnetFile, runDirectory } = host.host.files;
    const files = ["--cni-config", host.configFile, "--subnet-file", subnetFile, "--run-dir", runDirectory];
    const run = await twill(
      "run",
      ...files,
      "web",
      "--",
      "sh",
      "-c",
      `readlink /proc/self/ns/net; ${script}`,
    );
    expect(run).toMatchObject({ code: 0, stderr: "" });
    return await eventually(async () => {
      const netns = (await readFile(join(host.podsDirectory, "web", "log"), "utf8")).trim();
      expect(pidsIn(netns)).toHaveLength(count);
      return netns;
    });
  }

  async function expectGone(netns: string): Promise<void> {
    expect(await twill("rm", "web")).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect([pidsIn(netns), await host.givenAddresses(), await host.attachedDevices()]).toEqual([[], [], []]);
  }

  it("ends processes of other users beside one of its own", async () => {
    await expectGone(await startInContainer(`${asNobody} setsid sleep 3600 & setsid sleep 3600 & exit 0`, 2));
  });

  it("ends a first process of another user with its children", async () => {
    await expectGone(
      await startInContainer(`${asNobody} setsid sleep 3600 & exec ${asNobody} sleep 3600`, 2),
    );
  });

  it("frees nothing where all that are left are of other users, and names none, as one may be another pod's", async () => {
    const netns = await startInContainer(`${asNobody} setsid sleep 3600 & exit 0`, 1);
    const untold =
      "processes of other users may be in its network or in another's, and telling takes CAP_SYS_PTRACE; run this with the capability, or end those that the pod has started";
    expect((await twill("rm", "web")).stderr).toBe(`twill: Cannot remove pod web: ${untold}\n`);
    expect((await twill("list")).stdout).toMatch(/^web .* unknown /m);
    expect(await host.givenAddresses()).toHaveLength(1);
    for (const pid of pidsIn(netns)) process.kill(pid, "SIGKILL");
    await eventually(() => expect(pidsIn(netns)).toEqual([]));
    await expectGone(netns);
  });
});

/** Number of a process's namespace, as netns-number.ts says. */
function statNetDev(pid: string): number {
  return statSync(`/proc/${pid}/net/dev`).ino;
}
