#!/usr/bin/env node
/**
 * The entry of `twill`. Keeps compiled code beside the checkout, which saves a start about a quarter of its time, and
 * therefore imports everything else after that is switched on.
 */
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

// As trusted as the sources beside it, unlike a directory in /tmp. Where it cannot be written, nothing is kept.
enableCompileCache(fileURLToPath(new URL("../../build/compile-cache", import.meta.url)));
const { runProgram } = await import("./program.ts");
const { tolerateClosedPipe } = await import("./closed-pipe.ts");
tolerateClosedPipe(process.stdout);
tolerateClosedPipe(process.stderr);
process.exitCode = await runProgram(process.argv.slice(2), process.stdout, process.stderr);
