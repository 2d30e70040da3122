import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { buildCTests } from "../../support/build-c-tests.ts";

const run = promisify(execFile);

/** Every `*-test.c` beside this file: `program` lists its cases, `program NAME` runs one. */
const programs = await Promise.all(
  [...(await buildCTests(import.meta.dirname))].map(
    async ([source, path]) => [source, path, (await run(path, [])).stdout.trim().split("\n")] as const,
  ),
);

describe.each(programs)("%s under the sanitizers of gcc", (_source, path, cases) => {
  // A finding, a wrong value and an unknown case are each a non-zero exit code, and so a rejection.
  it.each(cases)("%s", async (name) => {
    await expect(run(path, [name])).resolves.toEqual({ stdout: "", stderr: "" });
  });
});
