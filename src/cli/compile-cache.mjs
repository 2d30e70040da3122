/**
 * Keeps compiled code beside the checkout: a start takes about a quarter less time, and an agent never loads Node.js's
 * compiler for TypeScript, which is 12 MiB that it would hold as long as it lives. This file and those that come before
 * it are JavaScript for that reason.
 */
import { mkdirSync, statSync } from "node:fs";
import { enableCompileCache } from "node:module";
import process from "node:process";
import { URL, fileURLToPath } from "node:url";

const SOURCES = fileURLToPath(new URL("..", import.meta.url));
const CACHE = fileURLToPath(new URL("../../build/compile-cache", import.meta.url));
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Has Node.js keep what it compiles from here on and use what it kept. Where it cannot write, it uses what is there;
 * where others than we could write, it does neither. Never throws.
 */
export function keepCompiledCode() {
  const umask = process.umask(WRITABLE_BY_OTHERS); // for the directories in it too, which Node.js makes
  try {
    mkdirSync(CACHE, { recursive: true });
    if (isTrusted(CACHE)) enableCompileCache(CACHE);
  } catch {
    // A read-only disk, no room, a file in the way: we run without.
  } finally {
    process.umask(umask);
  }
}

/** What lies there is run, so nobody may write there but root, we, and who could as well change the sources. */
function isTrusted(directory) {
  const { uid, mode } = statSync(directory);
  const owners = [0, process.geteuid(), statSync(SOURCES).uid];
  return (mode & WRITABLE_BY_OTHERS) === 0 && owners.includes(uid);
}
