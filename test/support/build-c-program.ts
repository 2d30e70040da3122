/** Compiles a C program of the tests together with sources of native/, the way the addon is compiled. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const NATIVE = join(import.meta.dirname, "../../native");
/** Those of scripts/build-native, so that a test sees the code that runs. */
const WARNINGS = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wconversion", "-Werror"];
/** Stop at the first finding, with a non-zero exit code. */
const SANITIZERS = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

export interface CProgram extends AsyncDisposable {
  readonly path: string;
}

/**
 * Builds `source`, a path, with these files of native/ and the address and undefined-behaviour sanitizers.
 * The program is removed on disposal.
 */
export async function buildCProgram(source: string, nativeFiles: readonly string[]): Promise<CProgram> {
  const directory = await mkdtemp(join(tmpdir(), "twill-c-"));
  const path = join(directory, "program");
  const sources = [source, ...nativeFiles.map((file) => join(NATIVE, file))];
  const remove = (): Promise<void> => rm(directory, { recursive: true });
  try {
    await promisify(execFile)("gcc", [...WARNINGS, ...SANITIZERS, "-I", NATIVE, "-o", path, ...sources]);
  } catch (err) {
    await remove();
    throw err;
  }
  return { path, [Symbol.asyncDispose]: remove };
}
