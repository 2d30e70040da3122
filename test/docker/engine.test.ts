/** The engines of tests keep their promises: nothing of them is the machine's, and nothing stays. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { identifyProcess } from "../../src/files/process-identity.ts";
import { TOKEN_VARIABLE } from "../../src/lab/record/lab-record.ts";
import { endOf, printed } from "../support/child-output.ts";
import { DockerEngine } from "../support/docker/docker-engine.ts";
import { cgroupParent, engineDirectory, engineName } from "../support/docker/engine-name.ts";
import { describeOnEngines } from "../support/docker/engine-machine.ts";
import { sweepingAlone } from "../support/docker/remove-engine.ts";
import { eventually } from "../support/eventually.ts";
import { createLab } from "../support/lab.ts";

const MAKER = fileURLToPath(new URL("../support/docker/engine-maker.ts", import.meta.url));
/** For the machine's init to take its dead children off the list of processes. */
const TAKEN = { timeoutMs: 20_000 };

/** Everything on the machine that bears an engine's name. */
function tracesOf(name: string): string[] {
  const processes = readdirSync("/proc").filter((pid) => /^[0-9]+$/.test(pid) && mentions(pid, name));
  const cgroups = readdirSync("/sys/fs/cgroup", { recursive: true, encoding: "utf8" });
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return [
    ...processes.map((pid) => `process ${pid}`),
    ...cgroups.filter((path) => path.includes(cgroupParent(name))).map((path) => `cgroup ${path}`),
    ...mounts.filter((line) => line.includes(name)).map((line) => `mount ${line}`),
    ...(existsSync(engineDirectory(name)) ? [engineDirectory(name)] : []),
  ];
}

function mentions(pid: string, name: string): boolean {
  try {
    return ["environ", "cgroup"].some((file) => readFileSync(`/proc/${pid}/${file}`, "utf8").includes(name));
  } catch {
    return false; // gone
  }
}

function processesOf(name: string): number {
  return tracesOf(name).filter((trace) => trace.startsWith("process")).length;
}

async function expectNoTraces(name: string): Promise<void> {
  await eventually(() => expect(tracesOf(name)).toEqual([]), TAKEN);
}

/** What an engine of the machine would have here. */
function machinesOwn(): string[] {
  return ["/run/docker", "/run/docker.sock", "/run/docker.pid", "/run/containerd", "/var/lib/docker"].filter(
    (path) => existsSync(path),
  );
}

describeOnEngines("DockerEngine", () => {
  it("leaves nothing of its own, and touches nothing of the machine's engine", async () => {
    await using lab = await createLab({ hosts: 1, etcd: false });
    const before = machinesOwn();
    const engine = await DockerEngine.start(lab.host(0).namespace);
    try {
      await engine.run("c1");
      expect(processesOf(engine.name)).toBeGreaterThan(3);
      expect(machinesOwn()).toEqual(before);
    } finally {
      await engine[Symbol.asyncDispose]();
    }
    await expectNoTraces(engine.name);
    expect(machinesOwn()).toEqual(before);
  });

  it("of a test that was killed is swept with its containers", async () => {
    await using lab = await createLab({ hosts: 1, etcd: false });
    const { namespace } = lab.host(0);
    const argv = [MAKER, namespace.name, namespace.environment[TOKEN_VARIABLE] ?? ""];
    const maker = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
    const identity = identifyProcess(maker.pid ?? 0);
    if (identity === null) throw new Error("The process that makes an engine has not started");
    const name = engineName(identity, namespace.name);
    await printed(maker, "engine and container run");
    // A file beside this one starts engines too, and sweeps before.
    await sweepingAlone(async (sweep) => {
      maker.kill("SIGKILL");
      await endOf(maker);
      expect(processesOf(name)).toBeGreaterThan(3);
      expect(await sweep()).toContain(name);
    });
    await expectNoTraces(name);
  });
});
