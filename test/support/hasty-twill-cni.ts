/** `twill-cni` as src/cli/cni-main.mjs runs it, except that its delegates have as many milliseconds as its argument says. */
import { writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { runPlugin } from "../../src/cni/run-plugin.ts";

const [STDOUT, STDERR] = [1, 2] as const;

const { output, exitCode } = await runPlugin({
  env: process.env,
  readInput: () => text(process.stdin),
  writeError: (line) => writeFileSync(STDERR, line),
  delegatesDeadlineMs: Number(process.argv[2]),
});
writeFileSync(STDOUT, output);
process.exitCode = exitCode;
