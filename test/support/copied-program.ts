import { cp, mkdir, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { NODE_FLAGS } from "../../src/lab/host/node-flags.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** Copies twill to a new folder, with these addons of `build` only, and resolves with its command. */
export async function copyProgram(directory: string, addons: readonly string[]): Promise<string[]> {
  await mkdir(join(directory, "build"), { recursive: true });
  for (const path of ["src", "package.json", ...addons.map((addon) => join("build", addon))])
    await cp(join(ROOT, path), join(directory, path), { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(directory, "node_modules"));
  return [process.execPath, ...NODE_FLAGS, join(directory, "src/cli/main.mjs")];
}
