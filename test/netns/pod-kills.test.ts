/** `twill pod` killed while a plugin works for it: no address is lost, and none given twice. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CommandResult } from "../../src/lab/machine/run-command.ts";
import { DEBIAN_PLUGINS } from "../support/cni-host.ts";
import { eventually } from "../support/eventually.ts";
import { createLab } from "../support/lab.ts";
import type { Lab } from "../support/lab.ts";
import { PodHost } from "../support/pod-host.ts";

const SLEEP = ["sleep", "3600"];
/** Of a command and the plugins behind it, on a busy machine. */
const START_TIMEOUT = { timeoutMs: 20_000 };
/** Commands in a row that take as long as one that does not wait, each. */
const PATIENCE = 3;

let folder: string;
let plugins: string;
let lab: Lab;
let host: PodHost;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "twill-pod-kills-"));
  plugins = join(folder, "plugins");
  lab = await createLab({ hosts: 1, pods: 0 });
  host = await PodHost.prepare(lab.host(0), folder);
  await installHeldPlugin();
  const config = JSON.parse(await readFile(host.configFile, "utf8")) as { ipam: object };
  await host.writeConfig({ ...config, ipam: { ...config.ipam, type: "held-local" } });
});
afterAll(async () => {
  await lab.down();
  rmSync(folder, { recursive: true, force: true });
});

/**
 * Debian's `host-local`, held before or after it for as long as a file says so: the moments at which the bridge plugin
 * has entered the namespace, and the address is given or freed in the next one.
 */
async function installHeldPlugin(): Promise<void> {
  await mkdir(plugins);
  execFileSync("mkfifo", [join(plugins, "go-on")]);
  const script = `#!/bin/sh
hold() {
	[ "$(cat ${plugins}/held-at)" != "$CNI_COMMAND $1" ] || { cut -d' ' -f4 /proc/$PPID/stat >${plugins}/pid; read -r _ <${plugins}/go-on; }
}
config=$(cat)
refuse() {
	[ "$(cat ${plugins}/held-at) $CNI_COMMAND" != "broken $1" ] || { echo '{"code":100,"msg":"no '$1' today"}'; exit 1; }
}
refuse DEL
hold before
result=$(printf '%s' "$config" | ${DEBIAN_PLUGINS}/host-local) || { printf '%s' "$result"; exit 1; }
hold after
refuse ADD
printf '%s' "$result"
`;
  await writeFile(join(plugins, "held-local"), script);
  await chmod(join(plugins, "held-local"), 0o755);
  await holdAt("nowhere");
}

async function holdAt(moment: string): Promise<void> {
  await writeFile(join(plugins, "held-at"), moment);
}

const cniPath = (): string[] => ["--cni-path", `${plugins}:${DEBIAN_PLUGINS}`];
const run = async (): Promise<CommandResult> => await host.run("web", SLEEP, cniPath());
const remove = async (): Promise<CommandResult> => await host.pod("rm", ...cniPath(), "web");

/** Kills the twill that `start` runs at this moment of the plugin, which goes on when told; resolves with its pid. */
async function killAt(moment: string, start: () => Promise<CommandResult>): Promise<number> {
  await rm(join(plugins, "pid"), { force: true });
  await holdAt(moment);
  const killed = start();
  const pid = await eventually(async () => {
    const text = await readFile(join(plugins, "pid"), "utf8");
    expect(text).toMatch(/^[0-9]+\n$/);
    return Number(text);
  }, START_TIMEOUT);
  expect(await lockHolder()).toBe(pid);
  process.kill(pid, "SIGKILL");
  expect((await killed).code).not.toBe(0);
  await holdAt("nowhere");
  return pid;
}

/** Who has locked the pods last. */
async function lockHolder(): Promise<number> {
  return Number(await readFile(join(host.podsDirectory, ".lock"), "utf8"));
}

async function goOn(): Promise<void> {
  await writeFile(join(plugins, "go-on"), "\n");
}

/** A command that is started while the plugin of the killed one still works ends after it. */
async function follow(killed: number, start: () => Promise<CommandResult>): Promise<CommandResult> {
  let isOver = false;
  const following = start().finally(() => (isOver = true));
  await eventually(async () => expect([0, killed]).not.toContain(await lockHolder()), START_TIMEOUT);
  for (let i = 0; i < PATIENCE; i++) await host.pod("list");
  expect(isOver).toBe(false);
  await goOn();
  const result = await following;
  expect(result).toMatchObject({ code: 0, stderr: "" });
  return result;
}

async function expectNothingLeft(): Promise<void> {
  expect(await host.givenAddresses()).toEqual([]);
  await eventually(async () => expect(await host.attachedDevices()).toEqual([]));
  expect((await host.pod("list")).stdout).toBe("NAME  ADDRESS  STATE  PID  COMMAND\n");
}

describe("twill pod after a kill", () => {
  it.each(["ADD before", "ADD after"])(
    "of pod run at %s: pod rm frees what the plugin gave",
    async (moment) => {
      const killed = await killAt(moment, run);
      await follow(killed, remove);
      await expectNothingLeft();
    },
  );

  it.each(["ADD before", "ADD after"])("of pod run at %s: pod run has one address", async (moment) => {
    const killed = await killAt(moment, run);
    const { stdout } = await follow(killed, run);
    expect(await host.givenAddresses()).toEqual([stdout.trim()]);
    expect((await host.exec("web", ["ip", "-4", "-o", "addr"])).stdout).toContain(` ${stdout.trim()}/24 `);
    await remove();
    await expectNothingLeft();
  });

  it.each(["DEL before", "DEL after"])("of pod rm at %s: pod rm ends what it began", async (moment) => {
    await run();
    const killed = await killAt(moment, remove);
    await follow(killed, remove);
    await expectNothingLeft();
  });

  it.each(["DEL before", "DEL after"])("of pod rm at %s: the next pod keeps its address", async (moment) => {
    await run();
    const killed = await killAt(moment, remove);
    const { stdout } = await follow(killed, run);
    expect(await host.givenAddresses()).toEqual([stdout.trim()]);
    await remove();
    await expectNothingLeft();
  });
});

describe("twill pod run that fails when the address is given already", () => {
  it("keeps the record when it cannot free the address, so that pod rm can", async () => {
    await holdAt("broken");
    const failure = "the CNI plugin bridge failed to ADD: no ADD today (CNI error 100)";
    const left = "the CNI plugin bridge failed to DEL: no DEL today (CNI error 100)";
    expect((await run()).stderr).toBe(
      `twill: Cannot run pod web: ${failure}; twill pod rm web has to remove what is left, as now ${left}\n`,
    );
    expect(await host.givenAddresses()).toHaveLength(1);
    expect((await host.pod("list")).stdout).toMatch(/^web +- +ended /m);
    expect((await run()).stderr).toBe(
      `twill: Cannot run pod web: what an earlier one left cannot be removed: ${left}; twill pod rm web tries again, with another configuration when given --cni-config\n`,
    );
    await holdAt("nowhere");
    expect(await remove()).toMatchObject({ code: 0, stdout: "", stderr: "" });
    await expectNothingLeft();
  });
});
