import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { buildCProgram } from "../../support/build-c-program.ts";

const run = promisify(execFile);

/** Each test program with the file of native/ that it is about. */
const PROGRAMS = [
  ["packet-io-test.c", "packet_io.c"],
  ["process-test.c", "process.c"],
  ["tun-test.c", "tun.c"],
  ["udp-socket-test.c", "udp_socket.c"],
] as const;

const built = await Promise.all(
  PROGRAMS.map(async ([source, nativeFile]) => {
    const program = await buildCProgram(join(import.meta.dirname, source), [nativeFile]);
    const names = (await run(program.path, [])).stdout.trim().split("\n");
    return [nativeFile, program, names] as const;
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
