/** Compiles a C program of the tests together with sources of native/, the way the addon is compiled. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** Sources of the addons; includes are relative to it. */
export const NATIVE = join(import.meta.dirname, "../../native");
/** Those of scripts/build-native, so that a test sees the code that runs. */
export const C_FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wconversion", "-Werror"];
/** Stop at the first finding, with a non-zero exit code. */
export const SANITIZERS = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/** Runs the compiler, or another program of its kind. What it says of an error is in the rejection. */
export async function runCompiler(program: string, argv: readonly string[]): Promise<void> {
  await promisify(execFile)(program, argv);
}

export interface CProgram extends AsyncDisposable {
  readonly path: string;
}

/** For a program that is to be fast rather than watched. */
export const OPTIMISED = ["-O2"];

/**
 * Builds `source`, a path, with these files of native/ and by default with the address and undefined-behaviour
 * sanitizers. The program is removed on disposal.
 */
export async function buildCProgram(
  source: string,
  nativeFiles: readonly string[],
  flags: readonly string[] = SANITIZERS,
): Promise<CProgram> {
  const directory = await mkdtemp(join(tmpdir(), "twill-c-"));
  const path = join(directory, "program");
  const sources = [source, ...nativeFiles.map((file) => join(NATIVE, file))];
  const remove = (): Promise<void> => rm(directory, { recursive: true });
  try {
    await runCompiler("gcc", [...C_FLAGS, ...flags, "-I", NATIVE, "-o", path, ...sources]);
  } catch (err) {
    await remove();
    throw err;
  }
  return { path, [Symbol.asyncDispose]: remove };
}
