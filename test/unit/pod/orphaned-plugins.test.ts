import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { processesThatMayHaveVariable } from "../../../src/files/process-identity.ts";
import { waitForOrphanedPlugins } from "../../../src/pod/orphaned-plugins.ts";
import { buildCProgram } from "../../support/build-c-program.ts";

const ID = `twill-pod-test-${process.pid}`;

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** What a plugin looks like: a program that was told the container by a variable. */
async function startPlugin(containerId: string): Promise<ChildProcess> {
  const child = spawn("sh", ["-c", "echo; exec sleep 60"], {
    env: { PATH: process.env.PATH, CNI_CONTAINERID: containerId },
    stdio: ["ignore", "pipe", "ignore"],
  });
  children.push(child);
  await new Promise((resolve) => child.stdout.once("data", resolve));
  return child;
}

describe("waitForOrphanedPlugins", () => {
  it("waits for the one that works for this container", async () => {
    const child = await startPlugin(ID);
    let isOver = false;
    const waited = waitForOrphanedPlugins(ID, 60_000).then(() => (isOver = true));
    await expect(waitForOrphanedPlugins(ID, 100)).rejects.toMatchObject({
      code: "ERR_POD_FAILED",
      message: `process ${child.pid ?? 0}, a CNI plugin that a killed command started, still works for it after 0.1 s; end it and try again`,
    });
    expect(isOver).toBe(false);
    child.kill("SIGKILL");
    await expect(waited).resolves.toBe(true);
  });

  it("does not wait for those of others", async () => {
    await startPlugin(`${ID}-2`);
    // Time for a process that execs just now, which may be anybody's.
    await expect(waitForOrphanedPlugins(ID, 5_000)).resolves.toBeUndefined();
  });

  it("does not wait for long for one that hides what it was started with, as anybody's process may", async () => {
    const source = join(import.meta.dirname, "../../support/hide-variables.c");
    await using program = await buildCProgram(source, [], []);
    const child = spawn(program.path, [], { stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    await once(child.stdout, "data");
    const found = processesThatMayHaveVariable(`CNI_CONTAINERID=${ID}`);
    const hidden = found.filter(({ isCertain }) => !isCertain).map(({ process: { pid } }) => pid);
    expect(hidden).toContain(child.pid);
    await expect(waitForOrphanedPlugins(ID, 20_000)).resolves.toBeUndefined();
    expect([child.exitCode, child.signalCode]).toEqual([null, null]);
  });
});
