#!/usr/bin/env node
/**
 * The entry of `twill-cni`. A runtime waits for it with each container, so it loads nothing it does not need, and reads
 * and writes without streams.
 */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { keepCompiledCode } from "./compile-cache.mjs";

const [STDIN, STDOUT, STDERR] = [0, 1, 2];

keepCompiledCode();
const { runPlugin } = await import("../cni/run-plugin.ts");
const { output, exitCode } = await runPlugin({
  env: process.env,
  readInput: () => readFileSync(STDIN, "utf8"),
  writeError: (text) => writeFileSync(STDERR, text),
});
process.exitCode = exitCode;
try {
  writeFileSync(STDOUT, output);
} catch (err) {
  writeFileSync(STDERR, `twill-cni: Cannot print the result: ${err.message}\n`); // nobody reads it any more
  process.exitCode = 1;
}
