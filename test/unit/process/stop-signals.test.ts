import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";
import { STOP_DEADLINE_MS } from "../../../src/process/stop-signals.ts";
import { endOf, printed } from "../../support/child-output.ts";

const PROGRAM = join(import.meta.dirname, "../../support/stopping-process.ts");

let child: ChildProcessByStdio<null, Readable, null>;
let output: string;

function start(how: string): void {
  output = "";
  child = spawn(process.execPath, [PROGRAM, how], { stdio: ["ignore", "pipe", "inherit"] });
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
}

/** The levels and messages of its log. */
function logged(): string[] {
  const lines = output.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => {
    const { level, msg } = JSON.parse(line) as { level: string; msg: string };
    return `${level}: ${msg}`;
  });
}

afterEach(() => void child.kill("SIGKILL"));

describe("abortOnStopSignals", () => {
  it.each(["SIGTERM", "SIGINT"] as const)(
    "tells, then aborts at %s, and lets the process end",
    async (signal) => {
      start("ends");
      await printed(child, "ready");
      child.kill(signal);
      expect(await endOf(child)).toBe(0);
      expect(logged()).toEqual(["info: Stopping"]);
      expect(output.indexOf("told")).toBeLessThan(output.indexOf("aborted"));
    },
  );

  it("ends a process that does not stop in time, with status 1 and a line", async () => {
    start("hangs");
    await printed(child, "ready");
    const startMs = performance.now();
    child.kill("SIGTERM");
    expect(await endOf(child)).toBe(1);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(STOP_DEADLINE_MS);
    expect(STOP_DEADLINE_MS).toBe(2000);
    expect(logged()).toEqual(["info: Stopping", "fatal: Cannot stop in time, exiting anyway"]);
  });

  it("leaves a second signal to the kernel, whichever of the two it is", async () => {
    start("hangs");
    await printed(child, "ready");
    const aborted = printed(child, "aborted");
    child.kill("SIGTERM");
    await aborted;
    child.kill("SIGINT");
    expect(await endOf(child)).toBe("SIGINT");
    expect(logged()).toEqual(["info: Stopping"]);
  });
});

describe("exitOnFaults", () => {
  it("ends the process with status 1 and one line when an error reaches nobody", async () => {
    start("faults");
    expect(await endOf(child)).toBe(1);
    expect(logged()).toEqual(["fatal: Fault in twill, exiting"]);
    expect(output).toContain("nobody waits for this");
  });
});
