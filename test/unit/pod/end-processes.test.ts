import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { afterEach, describe, expect, it } from "vitest";
import { identifyProcess, isRunning } from "../../../src/files/process-identity.ts";
import type { ProcessIdentity } from "../../../src/files/process-identity.ts";
import { endProcesses } from "../../../src/pod/end-processes.ts";

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** A process that has said that it is ready. */
async function start(script: string): Promise<ProcessIdentity> {
  const child = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "ignore"] });
  children.push(child);
  await new Promise((resolve) => child.stdout.once("data", resolve));
  const identity = identifyProcess(child.pid ?? 0);
  if (identity === null) throw new Error("the process ended at once");
  return identity;
}

const PATIENT = "echo; exec sleep 60";
const DEAF = "trap '' TERM; echo; while :; do sleep 60; done";
const LONG = { termMs: 60_000, killMs: 60_000 };

describe("endProcesses", () => {
  it("ends them with SIGTERM, a stopped one too", async () => {
    const [one, two] = [await start(PATIENT), await start(PATIENT)];
    process.kill(two.pid, "SIGSTOP");
    await endProcesses(() => [one, two], LONG);
    expect([one, two].map(isRunning)).toEqual([false, false]);
  });

  it("ends with SIGKILL what does not end", async () => {
    const deaf = await start(DEAF);
    await endProcesses(() => [deaf], { termMs: 100, killMs: 60_000 });
    expect(isRunning(deaf)).toBe(false);
  });

  it("ends what is found no more, but was seen", async () => {
    const deaf = await start(DEAF);
    let looks = 0;
    await endProcesses(() => (looks++ === 0 ? [deaf] : []), { termMs: 100, killMs: 60_000 });
    expect(isRunning(deaf)).toBe(false);
  });

  it("does not trust one look that finds nobody", async () => {
    const late = await start(PATIENT);
    let looks = 0;
    await endProcesses(() => (looks++ < 2 ? [] : [late]), LONG);
    expect(isRunning(late)).toBe(false);
  });

  it("looks on after one that was found, however quickly it ended", async () => {
    const ones = await Promise.all([1, 2, 3, 4].map(() => start(PATIENT)));
    let looks = 0;
    function* look(): Generator<ProcessIdentity> {
      const one = ones[looks++];
      if (one === undefined) return;
      yield one;
      while (isRunning(one)); // a moment: it has its signal, and the look is not at its end before it is gone
    }
    await endProcesses(look, LONG);
    expect(looks).toBe(ones.length + 3);
  });

  it("gives up in the end on those that start others for ever", async () => {
    const startAnother = (): ProcessIdentity[] => {
      const child = spawn("sleep", ["60"], { stdio: "ignore" });
      children.push(child);
      const identity = identifyProcess(child.pid ?? 0);
      return identity === null ? [] : [identity];
    };
    await expect(endProcesses(startAnother, { termMs: 100, killMs: 100 })).rejects.toMatchObject({
      code: "ERR_POD_FAILED",
      message: expect.stringContaining("faster than they are ended") as string,
    });
  });
});
