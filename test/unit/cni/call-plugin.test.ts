/** Plugins that do not behave, each a program of its own. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { callPlugin, deadlineAfter } from "../../../src/cni/call/call-plugin.ts";
import type { PluginAnswer } from "../../../src/cni/call/call-plugin.ts";

/** No plugin of a test that ends by itself takes as long. */
const LONG_MS = 60_000;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "twill-call-plugin-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Calls a plugin that does this. */
async function call(script: string, signal = deadlineAfter(LONG_MS), config = {}): Promise<PluginAnswer> {
  const program = join(directory, "plugin");
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o755);
  return await callPlugin({ argv: [program], env: { PATH: process.env.PATH }, log: "pipe" }, config, signal);
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
    const argv = [join(directory, "absent")];
    const startMs = performance.now();
    const answer = await callPlugin({ argv, log: "pipe" }, {}, deadlineAfter(LONG_MS));
    expect(answer).toEqual({ failure: `spawn ${argv.join("")} ENOENT`, stdout: "", log: "" });
    expect(performance.now() - startMs).toBeLessThan(1_000);
  });

  it("takes an answer of a megabyte, and none that is longer", async () => {
    const print = (bytes: number): string => `head -c ${bytes} /dev/zero | tr '\\0' x`;
    expect(await call(print(2 ** 20))).toMatchObject({ failure: null, stdout: "x".repeat(2 ** 20) });
    expect((await call(print(2 ** 20 + 1))).failure).toBe("it printed more than 1 MiB");
  });
});

describe("deadlineAfter", () => {
  it("says what became of the plugin, and keeps no process from its end", async () => {
    expect(await call("exec sleep 3600", deadlineAfter(200))).toMatchObject({
      failure: "no end within 0.2 s, killed",
    });
    const module = join(import.meta.dirname, "../../../src/cni/call/call-plugin.ts");
    const script = `import { deadlineAfter } from ${JSON.stringify(module)}; deadlineAfter(${LONG_MS});`;
    const run = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
      timeout: LONG_MS / 2,
    });
    expect(run.status).toBe(0);
  });
});
