import { describe, expect, it } from "vitest";
import { createLogger } from "../../../src/process/logger.ts";
import type { LogLevel } from "../../../src/process/logger.ts";
import { Ipv4Address, Ipv4Prefix } from "../../../src/net/ipv4.ts";
import { OverlayError } from "../../../src/net/overlay-error.ts";

/** The line that `facts` become at this level. */
function lineOf(level: LogLevel, facts: object): Record<string, unknown> {
  const lines: string[] = [];
  createLogger(level, { write: (line) => void lines.push(line) }).error(facts, "Cannot do it");
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^\{.*\}\n$/);
  const { time, ...rest } = JSON.parse(lines[0] ?? "") as Record<string, unknown>;
  expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  return rest;
}

const FORESEEN = new OverlayError("ERR_TUN_BUSY", "Cannot open TUN flannel0: busy", { tun: "flannel0" });

describe("createLogger", () => {
  it("writes level, message and facts as text", () => {
    const subnet = new Ipv4Prefix(new Ipv4Address(0x0af40700), 24);
    expect(lineOf("info", { subnet })).toEqual({
      level: "error",
      subnet: "10.244.7.0/24",
      msg: "Cannot do it",
    });
  });

  it("puts an error's code, message and facts at the top, without a stack", () => {
    expect(lineOf("info", { err: FORESEEN, attempt: 2 })).toEqual({
      level: "error",
      attempt: 2,
      tun: "flannel0",
      code: "ERR_TUN_BUSY",
      err: "Cannot open TUN flannel0: busy",
      msg: "Cannot do it",
    });
  });

  it("adds the stack for debugging, and always when nobody foresaw the error", () => {
    expect(lineOf("debug", { err: FORESEEN }).stack).toMatch(/^OverlayError: Cannot open/);
    expect(lineOf("info", { err: new TypeError("x is not a function") }).stack).toMatch(
      /^TypeError: x is not/,
    );
  });

  it("leaves out what is less severe than its level", () => {
    const lines: string[] = [];
    const log = createLogger("warn", { write: (line) => void lines.push(line) });
    log.info("no");
    log.warn("yes");
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(["yes"]);
  });
});
