import { describe, expect, it } from "vitest";
import {
  identifyProcess,
  isRunning,
  parseProcessStat,
  pidsDescending,
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

it("has the newest processes first, whatever else is in the directory", () => {
  expect(pidsDescending(["1", "10000", "9999", "self", "net", "2"])).toEqual([10000, 9999, 2, 1]);
});
