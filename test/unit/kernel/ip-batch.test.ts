import { describe, expect, it } from "vitest";
import { firstFailure, formatBatch } from "../../../src/kernel/ip-batch.ts";

const COMMANDS = [
  ["route", "replace", "10.244.0.0/16", "dev", "nodev"],
  ["link", "set", "dev", "flannel0", "up"],
  ["link", "set", "dev", "flannel0", "mtu", "99999999"],
];

describe("formatBatch", () => {
  it("writes one line for each command", () => {
    expect(formatBatch(COMMANDS.slice(0, 2))).toBe(
      "route replace 10.244.0.0/16 dev nodev\nlink set dev flannel0 up\n",
    );
  });

  it.each([
    "",
    " ",
    "a b",
    "a\nlink del eth0",
    "a\r",
    "a\tb",
    "a\u0000",
    "a\u0085b",
    '"a',
    "'a",
    "#a",
    "a\\",
  ])("refuses the word %j, which ip would not read as one word", (word) => {
    expect(() => formatBatch([["link", "set", "dev", word]])).toThrow(RangeError);
  });
});

describe("firstFailure", () => {
  it("names the first command that failed, the kernel's words and the number of others", () => {
    const stderr =
      'Cannot find device "nodev"\nCommand failed -:1\nError: mtu greater than device maximum.\nCommand failed -:3\n';
    expect(firstFailure(COMMANDS, stderr)).toEqual({
      command: COMMANDS[0],
      text: 'Cannot find device "nodev"',
      others: 1,
    });
  });

  it("joins a reason of several lines", () => {
    const stderr =
      "RTNETLINK answers: Invalid argument\nError: Nexthop has invalid gateway.\nCommand failed -:2\n";
    expect(firstFailure(COMMANDS, stderr)?.text).toBe(
      "RTNETLINK answers: Invalid argument; Error: Nexthop has invalid gateway.",
    );
  });

  it("gives null when ip names no line, or one that we did not write", () => {
    expect(firstFailure(COMMANDS, 'Error: any valid prefix is expected rather than "x".\n')).toBeNull();
    expect(firstFailure(COMMANDS, "No.\nCommand failed -:4\n")).toBeNull();
  });
});
