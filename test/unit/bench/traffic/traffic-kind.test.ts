import { describe, expect, it } from "vitest";
import { parseTrafficKinds } from "../../../../src/bench/traffic/traffic-kind.ts";

describe("parseTrafficKinds", () => {
  it("takes the kinds that are named, in the order they are measured, once each", () => {
    expect(parseTrafficKinds("latency,tcp1,latency")).toEqual(["tcp1", "latency"]);
    expect(parseTrafficKinds("udp")).toEqual(["udp"]);
  });

  it.each(["", "tcp1,", "tcp", "TCP1", "tcp1, udp"])("refuses %j", (text) => {
    expect(() => parseTrafficKinds(text)).toThrow(
      expect.objectContaining({
        code: "ERR_OPTION_INVALID",
        message: expect.stringMatching(
          /^Cannot use --only ".*": it takes tcp1, tcp4, udp, latency$/,
        ) as string,
      }),
    );
  });
});
