/** A process that locks the run directory of its argument, says so, and waits to be killed. */
import { acquireInstanceLock } from "../../src/agent/files/single-instance.ts";

const runDir = process.argv[2];
if (runDir === undefined) throw new Error("Usage: lock-holder.ts RUN_DIR");
acquireInstanceLock(runDir);
process.stdout.write("locked\n");
setInterval(() => undefined, 60_000); // keeps the process
