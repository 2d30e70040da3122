#!/usr/bin/env node
/**
 * The entry of `twill-cni`. A runtime waits for it with each container, so it loads nothing it does not need.
 */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { text } from "node:stream/consumers";

const [STDOUT, STDERR] = [1, 2];

const { output, exitCode } = await runPlugin().catch(cannotLoad);
process.exitCode = exitCode;
try {
  writeFileSync(STDOUT, output);
} catch (err) {
  writeFileSync(STDERR, `twill-cni: Cannot print the result: ${err.message}\n`); // nobody reads it any more
  process.exitCode = 1;
}

async function runPlugin() {
  const { keepCompiledCode } = await import("./compile-cache.mjs");
  keepCompiledCode();
  const { runPlugin: run } = await import("../cni/run-plugin.ts");
  return await run({
    env: process.env,
    readInput: () => text(process.stdin), // a read of the descriptor fails where a runtime gives one that does not block
    writeError: (line) => writeFileSync(STDERR, line),
  });
}

/** A runtime reads this too. Version and code are those of src/cni for what has no other, which is what did not load. */
function cannotLoad(err) {
  const [reason] = String(err?.message ?? err).split("\n");
  const msg = `Cannot run twill-cni: its program does not load: ${reason}; put twill's directory back as it was`;
  return { output: `${JSON.stringify({ cniVersion: "1.0.0", code: 100, msg })}\n`, exitCode: 1 };
}
