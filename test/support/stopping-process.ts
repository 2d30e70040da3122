/**
 * A process for the tests to stop: `node stopping-process.ts HOW` prints "ready", and after the first signal
 * - `ends`: has nothing left to do
 * - `hangs`: holds a timer that never ends
 * With `faults` it leaves a promise rejected that nobody waits for.
 */
import { createLogger } from "../../src/process/logger.ts";
import { abortOnStopSignals, exitOnFaults } from "../../src/process/stop-signals.ts";

const [how = ""] = process.argv.slice(2);
const log = createLogger("info");
exitOnFaults(log);
const hold = setInterval(() => undefined, 60_000);
const stop = abortOnStopSignals(log, () => process.stdout.write("told\n"));
stop.addEventListener("abort", () => {
  process.stdout.write("aborted\n");
  if (how === "ends") clearInterval(hold);
});
if (how === "faults") void Promise.reject(new Error("nobody waits for this"));
process.stdout.write("ready\n");
