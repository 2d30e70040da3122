#!/usr/bin/env node
/** The entry of `twill`. Imports everything else after the compile cache is on. */
import process from "node:process";
import { keepCompiledCode } from "./compile-cache.mjs";

keepCompiledCode();
const { runProgram } = await import("./program.ts");
const { tolerateClosedPipe } = await import("./closed-pipe.ts");
tolerateClosedPipe(process.stdout);
tolerateClosedPipe(process.stderr);
process.exitCode = await runProgram(process.argv.slice(2), process.stdout, process.stderr);
