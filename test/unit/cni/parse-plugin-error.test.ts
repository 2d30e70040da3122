import { describe, expect, it } from "vitest";
import { parsePluginError } from "../../../src/cni/call/parse-plugin-error.ts";

describe("parsePluginError", () => {
  it("reads the error object of the specification", () => {
    const error = { cniVersion: "1.0.0", code: 11, msg: "no address left", details: "of 254" };
    expect(parsePluginError(`${JSON.stringify(error)}\n`)).toEqual({
      code: 11,
      msg: "no address left",
      details: "of 254",
    });
  });

  it("does without number and details", () => {
    const bare = { code: null, msg: "no", details: undefined };
    expect(parsePluginError('{"msg":"no"}')).toEqual(bare);
    expect(parsePluginError('{"msg":"no","code":"7","details":""}')).toEqual(bare);
  });

  it.each([
    "",
    "no JSON",
    "null",
    "7",
    '"text"',
    "[]",
    "{}",
    '{"code":7}',
    '{"code":7,"msg":""}',
    '{"msg":{}}',
  ])("finds none in %j", (stdout) => expect(parsePluginError(stdout)).toBeNull());
});
