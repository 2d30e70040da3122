import { describe, expect, it } from "vitest";
import { addressIn, failureIn } from "../../../src/pod/cni-answer.ts";

describe("addressIn", () => {
  it("gives the first IPv4 address, without its length", () => {
    const ips = [{ address: "2001:db8::2/64" }, { address: "10.244.7.2/24" }, { address: "10.244.7.3/24" }];
    expect(addressIn({ cniVersion: "1.0.0", ips })).toBe("10.244.7.2");
  });

  it.each([
    null,
    "text",
    {},
    { ips: {} },
    { ips: [null, { address: 7 }] },
    { ips: [{ address: "10.244.7.2" }] },
    { ips: [{ address: "10.244.7.300/24" }] },
  ])("gives null for %j", (result) => expect(addressIn(result)).toBeNull());
});

describe("failureIn", () => {
  it("shows the error object of the specification", () => {
    const error = { cniVersion: "1.0.0", code: 11, msg: "there is no lease yet", details: "try again" };
    expect(failureIn(JSON.stringify(error), "noise")).toBe("there is no lease yet; try again (CNI error 11)");
    expect(failureIn(JSON.stringify({ msg: "no" }), "")).toBe("no");
  });

  it("falls back to standard error, and to null", () => {
    expect(failureIn("no JSON", "plugin: killed\n")).toBe("plugin: killed");
    expect(failureIn(JSON.stringify({ code: 7 }), "")).toBeNull();
    expect(failureIn("", " \n")).toBeNull();
  });

  it("gives one line that drives no terminal, of bounded length", () => {
    expect(failureIn("", "one\ntwo\u001b[2J")).toBe("one two [2J");
    expect(failureIn("", "x".repeat(10_000))).toHaveLength(500);
  });
});
