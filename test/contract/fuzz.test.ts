import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const TARGETS = readdirSync(join(ROOT, "test/fuzz"))
  .filter((file) => file.endsWith(".c"))
  .map((file) => file.slice(0, -2));

const SECONDS = 5;
/** A small part of what any target does in that time on a busy machine: fewer would not be fuzzing. */
const MIN_EXECUTIONS = 5000;

/** The last line of scripts/fuzz about one target. */
async function fuzz(target: string): Promise<{ executions: number; edges: number }> {
  // With the lowest priority, because other tests measure time.
  const args = ["-n", "19", "scripts/fuzz", "--target", target, "--seconds", String(SECONDS), "--jobs", "1"];
  const { stdout } = await promisify(execFile)("nice", args, { cwd: ROOT });
  const [name, executions, , edges] = (stdout.trim().split("\n").at(-1) ?? "").split(/\s+/);
  expect(name).toBe(target);
  return { executions: Number(executions), edges: Number(edges) };
}

describe("a short run of scripts/fuzz", () => {
  // A finding, also in a seed, is a non-zero exit code, and so a rejection whose message names the input.
  it.each(TARGETS)("%s has no finding", { timeout: 120_000 }, async (target) => {
    const seeds = readdirSync(join(ROOT, "test/fuzz/corpus", target)).length;
    const run = await fuzz(target);
    console.info(`${target}: ${run.executions} executions, ${run.edges} edges`);
    expect(seeds).toBeGreaterThan(5);
    expect(run.executions).toBeGreaterThan(MIN_EXECUTIONS);
    expect(run.edges).toBeGreaterThan(10);
  });
});
