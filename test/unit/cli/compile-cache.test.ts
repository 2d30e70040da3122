import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NODE_FLAGS } from "../../../src/lab/host/node-flags.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
/** As few as possible bits are taken away from new files. */
const WITHOUT_UMASK = ["-c", 'umask 0 && exec "$0" "$@"'];
const OWNER_WRITES = 0o755;

let checkout: string;
let cache: string;

beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), "twill-checkout-"));
  cache = join(checkout, "build/compile-cache");
  for (const path of ["src", "scripts", "package.json"])
    cpSync(join(ROOT, path), join(checkout, path), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(checkout, "node_modules"));
});
afterEach(() => rmSync(checkout, { recursive: true }));

/** Runs a script of the checkout and gives its output. */
function run(script: string, ...args: string[]): string {
  const argv = [process.execPath, ...NODE_FLAGS, join(checkout, script), ...args];
  return execFileSync("/bin/sh", [...WITHOUT_UMASK, ...argv], { encoding: "utf8", stdio: "pipe" });
}

/** Every file and directory in the cache, with the time of its last change. */
function cached(): [path: string, changedMs: number][] {
  return readdirSync(cache, { recursive: true, encoding: "utf8" }).map((path) => [
    path,
    statSync(join(cache, path)).mtimeMs,
  ]);
}

describe("keepCompiledCode", () => {
  it("makes directories that only their owner can write to, whatever the umask", () => {
    expect(run("src/cli/main.mjs", "--version")).toMatch(/^\d+\.\d+\.\d+\n$/);
    const [version = ""] = readdirSync(cache);
    expect(readdirSync(join(cache, version)).length).toBeGreaterThan(3);
    for (const directory of [cache, join(cache, version)])
      expect(statSync(directory).mode & 0o777).toBe(OWNER_WRITES);
  });

  it.each([0o775, 0o757])("leaves a directory alone that others can write to (mode %o)", (mode) => {
    mkdirSync(cache, { recursive: true });
    chmodSync(cache, mode);
    run("src/cli/main.mjs", "--version");
    expect(cached()).toEqual([]);
  });

  it("does without where there is no place for it", () => {
    writeFileSync(join(checkout, "build"), "");
    expect(run("src/cli/main.mjs", "--version")).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("scripts/fill-compile-cache.mjs", () => {
  it("leaves nothing for a start to compile", () => {
    run("scripts/fill-compile-cache.mjs");
    const filled = cached();
    expect(filled.length).toBeGreaterThan(100);
    run("src/cli/main.mjs", "agent", "--version");
    expect(cached()).toEqual(filled);
  });
});
