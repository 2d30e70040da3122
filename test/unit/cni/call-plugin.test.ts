/** Plugins that do not behave, each a program of its own. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { callPlugin, deadlineAfter } from "../../../src/cni/call/call-plugin.ts";
import type { PluginAnswer } from "../../../src/cni/call/call-plugin.ts";
import { identifyProcess, isRunning } from "../../../src/files/process-identity.ts";
import { eventually } from "../../support/eventually.ts";
import { countDescriptors } from "../../support/process-resources.ts";

/** No plugin of a test that ends by itself takes as long. */
const LONG_MS = 60_000;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "twill-call-plugin-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Calls a plugin that does this. */
async function call(script: string, signal = deadlineAfter(LONG_MS), config = {}): Promise<PluginAnswer> {
  const path = join(directory, "plugin");
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return await callPlugin({ path, env: { PATH: process.env.PATH }, log: "pipe" }, config, signal);
}

/** A signal that is aborted once the plugin has written the pids of all its processes, and whether they run. */
function abortWhenTold(): { signal: AbortSignal; areRunning: () => boolean[] } {
  const controller = new AbortController();
  const told = eventually(() => {
    const lines = readFileSync(join(directory, "pids"), "utf8").split("\n").slice(0, -1);
    return lines.includes("all") && lines.slice(0, -1).map((pid) => identifyProcess(Number(pid)));
  });
  let processes: Awaited<typeof told> = [];
  void told.then((identities) => {
    processes = identities;
    controller.abort(new Error("no time left"));
  });
  return {
    signal: controller.signal,
    areRunning: () => processes.map((one) => one !== null && isRunning(one)),
  };
}

describe("callPlugin", () => {
  it("gives what the plugin printed and logged, of what it was told", async () => {
    expect(await call("cat; echo logged >&2", undefined, { name: "net" })).toEqual({
      failure: null,
      stdout: '{"name":"net"}',
      log: "logged\n",
    });
  });

  it.each([
    ["echo no; exit 3", "exit status 3"],
    ["kill -9 $$", "killed by SIGKILL"],
  ])("tells how one ended that failed (%s)", async (script, failure) => {
    expect(await call(script)).toMatchObject({ failure });
  });

  it("tells at once when there is no such program", async () => {
    const path = join(directory, "absent");
    const startMs = performance.now();
    const answer = await callPlugin({ path, env: {}, log: "pipe" }, {}, deadlineAfter(LONG_MS));
    expect(answer).toEqual({ failure: `spawn ${path} ENOENT`, stdout: "", log: "" });
    expect(performance.now() - startMs).toBeLessThan(LONG_MS / 10);
  });

  it("takes an answer of a megabyte, and none that is longer", async () => {
    const print = (bytes: number): string => `head -c ${bytes} /dev/zero | tr '\\0' x`;
    expect(await call(print(2 ** 20))).toMatchObject({ failure: null, stdout: "x".repeat(2 ** 20) });
    expect((await call(print(2 ** 20 + 1))).failure).toBe("it printed more than 1 MiB");
  });

  it("kills one that takes too long, with all it has started, which hold its pipes", async () => {
    const { signal, areRunning } = abortWhenTold();
    const descriptors = countDescriptors();
    const script = `sleep 3600 &\necho $! >>"${directory}/pids"; echo $$ >>"${directory}/pids"; echo all >>"${directory}/pids"\nwait`;
    expect(await call(script, signal)).toMatchObject({ failure: "no time left" });
    await eventually(() => expect(areRunning()).toEqual([false, false]));
    await eventually(() => expect(countDescriptors()).toBe(descriptors));
  });

  it("kills what one has left behind that failed", async () => {
    const { signal, areRunning } = abortWhenTold();
    const script = `sleep 3600 &\necho $! >>"${directory}/pids"; echo all >>"${directory}/pids"\nkill -9 $$`;
    expect(await call(script)).toMatchObject({ failure: "killed by SIGKILL" });
    await eventually(() => expect(signal.aborted).toBe(true));
    await eventually(() => expect(areRunning()).toEqual([false])); // it lets go of the pipes a moment before
  });

  it("does not wait for what one leaves on purpose that succeeded, and lets it be", async () => {
    const { signal, areRunning } = abortWhenTold();
    const descriptors = countDescriptors();
    const script = `sleep 3600 &\necho $! >>"${directory}/pids"; echo all >>"${directory}/pids"\necho done`;
    try {
      expect(await call(script)).toEqual({ failure: null, stdout: "done\n", log: "" });
      await eventually(() => expect(signal.aborted).toBe(true));
      expect(areRunning()).toEqual([true]);
      await eventually(() => expect(countDescriptors()).toBe(descriptors));
    } finally {
      const pid = Number.parseInt(readFileSync(join(directory, "pids"), "utf8"), 10);
      process.kill(pid, "SIGKILL");
    }
  });

  it("does not wait for one that has left the group and holds the pipes", async () => {
    const { signal } = abortWhenTold();
    const descriptors = countDescriptors();
    const escape = `setsid sh -c 'echo $$ >>"${directory}/pids"; echo all >>"${directory}/pids"; exec sleep 3600' &\nwait`;
    try {
      expect(await call(escape, signal)).toMatchObject({ failure: "no time left" });
      await eventually(() => expect(countDescriptors()).toBe(descriptors));
    } finally {
      const pid = Number.parseInt(readFileSync(join(directory, "pids"), "utf8"), 10);
      process.kill(pid, "SIGKILL");
    }
  });
});

describe("deadlineAfter", () => {
  it("says what became of the plugin, and keeps no process from its end", async () => {
    expect(await call("sleep 3600", deadlineAfter(200))).toMatchObject({
      failure: "no end within 0.2 s, killed with all that it had started",
    });
    const module = join(import.meta.dirname, "../../../src/cni/call/call-plugin.ts");
    const script = `import { deadlineAfter } from ${JSON.stringify(module)}; deadlineAfter(${LONG_MS});`;
    const run = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
      timeout: LONG_MS / 2,
    });
    expect(run.status).toBe(0);
  });
});
