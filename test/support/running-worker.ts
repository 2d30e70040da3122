/** A worker thread that runs a program without an end: what becomes of it at the end of the thread is the test. */
import { parentPort } from "node:worker_threads";
import { runToEnd } from "../../src/addon/program-run.ts";
import { childrenOf } from "./process-resources.ts";

const bounds = { deadlineMs: 60_000, maxOutputBytes: 1024, signal: new AbortController().signal };
void runToEnd(["sleep", "60"], "", bounds);
const poll = setInterval(() => {
  const [child] = childrenOf(process.pid);
  if (child === undefined) return;
  clearInterval(poll);
  parentPort?.postMessage(child);
}, 1);
