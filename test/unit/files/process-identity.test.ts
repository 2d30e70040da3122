import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import {
  identifyProcess,
  isRunning,
  parseProcessStat,
  pidsDescending,
  processesThatMayHaveVariable,
  signalProcess,
} from "../../../src/files/process-identity.ts";

describe("parseProcessStat", () => {
  it("finds the fields after a name with blanks and brackets", () => {
    const after = "S 1 7 7 0 -1 4194560 100 0 0 0 12 30 5 6 20 0 1 0 9007199254740993 0 0";
    expect(parseProcessStat(`42 (a) b (c)) ${after}\n`)).toEqual({
      state: "S",
      cpuTicks: 42,
      startTicks: "9007199254740993",
    });
  });

  it.each(["", "42 no name", "42 (a) S 1 2 3"])("gives null for %j", (text) =>
    expect(parseProcessStat(text)).toBeNull(),
  );
});

describe("identifyProcess", () => {
  it("names this process so that it is found running", () => {
    const self = identifyProcess(process.pid);
    expect(self).toMatchObject({ pid: process.pid });
    expect(self !== null && isRunning(self)).toBe(true);
  });

  it("gives null for a pid that nobody has", () => expect(identifyProcess(2 ** 22 + 1)).toBeNull());
});

describe("signalProcess", () => {
  it("leaves another process with the same pid alone", () => {
    const earlier = { pid: process.pid, startTicks: "1" };
    expect(isRunning(earlier)).toBe(false);
    expect(signalProcess(earlier, "SIGKILL")).toBe(false); // it would end this test
  });
});

describe("processesThatMayHaveVariable", () => {
  it("finds at each look those that become another program again and again", async () => {
    const mark = `TWILL_TEST_MARK=${process.pid}`;
    const env = { PATH: process.env.PATH, TWILL_TEST_MARK: `${process.pid}`, LOOP: 'exec sh -c "$LOOP"' };
    const children = [1, 2, 3, 4].map(() =>
      spawn("sh", ["-c", 'echo; exec sh -c "$LOOP"'], { env, stdio: ["ignore", "pipe", "inherit"] }),
    );
    try {
      await Promise.all(children.map((child) => once(child.stdout, "data")));
      const pids = children.map(({ pid }) => pid);
      for (let look = 0; look < 60; look++) {
        const found = processesThatMayHaveVariable(mark).map(({ process: { pid } }) => pid);
        expect(found, `look ${look}`).toEqual(expect.arrayContaining(pids));
      }
    } finally {
      for (const child of children) child.kill("SIGKILL");
    }
  });
});

it("has the newest processes first, whatever else is in the directory", () => {
  expect(pidsDescending(["1", "10000", "9999", "self", "net", "2"])).toEqual([10000, 9999, 2, 1]);
});
