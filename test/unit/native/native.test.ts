import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { buildCProgram } from "../../support/build-c-program.ts";

const run = promisify(execFile);

/** Each test program with the files of native/ that it is about and needs; the first one names it. */
const PROGRAMS: readonly (readonly [source: string, nativeFiles: readonly [string, ...string[]]])[] = [
  ["packet-io-test.c", ["os/packet_io.c"]],
  ["process-test.c", ["os/process.c"]],
  ["tun-test.c", ["os/tun.c"]],
  ["udp-socket-test.c", ["os/udp_socket.c"]],
];

const built = await Promise.all(
  PROGRAMS.map(async ([source, nativeFiles]) => {
    const program = await buildCProgram(join(import.meta.dirname, source), nativeFiles);
    const names = (await run(program.path, [])).stdout.trim().split("\n");
    return [nativeFiles[0], program, names] as const;
  }),
);

afterAll(async () => {
  for (const [, program] of built) await program[Symbol.asyncDispose]();
});

describe.each(built)("native/%s under the sanitizers of gcc", (_nativeFile, program, names) => {
  // A finding, a wrong value and an unknown case are each a non-zero exit code, and so a rejection.
  it.each(names)("%s", async (name) => {
    await expect(run(program.path, [name])).resolves.toEqual({ stdout: "", stderr: "" });
  });
});
