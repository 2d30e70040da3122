import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const TARGETS = readdirSync(join(ROOT, "test/fuzz"))
  .filter((file) => file.endsWith(".c"))
  .map((file) => file.slice(0, -2));

/** Of each target. A number, not a time, in which a busy machine does next to nothing: 1 to 12 s of CPU time. */
const EXECUTIONS = 200_000;
/** With the lowest priority even so little takes minutes beside others. */
const TIMEOUT_MS = 900_000;

/** The last line of scripts/fuzz about one target. */
async function fuzz(target: string): Promise<{ executions: number; edges: number }> {
  // With the lowest priority, because other tests measure time.
  const run = ["--target", target, "--executions", String(EXECUTIONS), "--jobs", "1"];
  const args = ["-n", "19", "scripts/fuzz", ...run];
  const { stdout } = await promisify(execFile)("nice", args, { cwd: ROOT });
  const [name, executions, , edges] = (stdout.trim().split("\n").at(-1) ?? "").split(/\s+/);
  expect(name).toBe(target);
  return { executions: Number(executions), edges: Number(edges) };
}

describe("a short run of scripts/fuzz", () => {
  // A finding, also in a seed, is a non-zero exit code, and so a rejection whose message names the input.
  it.each(TARGETS)("%s has no finding", { timeout: TIMEOUT_MS }, async (target) => {
    const seeds = readdirSync(join(ROOT, "test/fuzz/corpus", target)).length;
    const run = await fuzz(target);
    console.info(`${target}: ${run.executions} executions, ${run.edges} edges`);
    expect(seeds).toBeGreaterThan(5);
    expect(run.executions).toBeGreaterThanOrEqual(EXECUTIONS);
    expect(run.edges).toBeGreaterThan(10);
  });
});
