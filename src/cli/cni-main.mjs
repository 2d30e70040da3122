#!/usr/bin/env node
/**
 * The entry of `twill-cni`. A runtime waits for it with each container, so it loads nothing it does not need.
 */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { text } from "node:stream/consumers";
import { keepCompiledCode } from "./compile-cache.mjs";

const [STDOUT, STDERR] = [1, 2];

keepCompiledCode();
const { runPlugin } = await import("../cni/run-plugin.ts");
const { output, exitCode } = await runPlugin({
  env: process.env,
  readInput: () => text(process.stdin), // a read of the descriptor fails where a runtime gives one that does not block
  writeError: (line) => writeFileSync(STDERR, line),
});
process.exitCode = exitCode;
try {
  writeFileSync(STDOUT, output);
} catch (err) {
  writeFileSync(STDERR, `twill-cni: Cannot print the result: ${err.message}\n`); // nobody reads it any more
  process.exitCode = 1;
}
