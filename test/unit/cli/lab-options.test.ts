import { describe, expect, it } from "vitest";
import { parseBackendOption, parseHostFlags, planCarrying } from "../../../src/cli/lab-options.ts";

/** The error of an option, with this in its message. */
function refusal(message: string): unknown {
  return expect.objectContaining({
    code: "ERR_OPTION_INVALID",
    message: expect.stringContaining(message) as string,
  });
}

describe("parseBackendOption", () => {
  it.each([
    ["DirectRouting=true", "DirectRouting", true],
    ["VNI=7", "VNI", 7],
    ['X="a=b"', "X", "a=b"],
  ])("reads %s", (text, name, value) => expect(parseBackendOption(text)).toEqual({ name, value }));

  it.each([
    ["VNI", '"" is not JSON'],
    ["VNI=", '"" is not JSON'],
    ["X=text", "a text wants quotes"],
    ["=7", "need NAME=JSON"],
    ["__proto__=7", "need NAME=JSON"],
    ["type=7", "that is what --backend says"],
  ])("refuses %s", (text, message) => expect(() => parseBackendOption(text)).toThrow(refusal(message)));
});

describe("parseHostFlags", () => {
  it.each([
    ["h2=--engine=dgram", ["--engine=dgram"]],
    ["h2=  --engine dgram -queues=2 --ip-masq ", ["--engine=dgram", "--queues=2", "--ip-masq=true"]],
  ])("reads %s in Go's syntax", (text, flags) => {
    expect(parseHostFlags(text)).toEqual({ host: "h2", flags });
  });

  it.each([
    ["h2", "need HOST=FLAGS"],
    ["=--engine=dgram", "need HOST=FLAGS"],
    ["h2= ", "need HOST=FLAGS"],
    ["h2=engine", 'Cannot use argument "engine"'],
    ["h2=--no-such-flag=1", "no-such-flag"],
    ["h2=--engine=steam", "Cannot use --engine"],
    ["h2=--help", "starts no agent"],
    ["h2=--run-dir=/srv", "the lab itself sets --run-dir"],
    ["h2=--subnet-file /srv/x", "the lab itself sets --subnet-file"],
  ])("refuses %s", (text, message) => expect(() => parseHostFlags(text)).toThrow(refusal(message)));
});

describe("planCarrying", () => {
  const options = { backend: "vxlan", backendOption: [], hostFlags: [] };

  it("puts the options of the backend beside its type, and gathers the flags of each host", () => {
    const plan = planCarrying({
      backend: "vxlan",
      backendOption: [{ name: "DirectRouting", value: true }],
      datapath: "kernel",
      hostFlags: [
        { host: "h2", flags: ["--datapath=user"] },
        { host: "h3", flags: ["--queues=1"] },
        { host: "h2", flags: ["--engine=dgram"] },
      ],
    });
    expect(plan).toMatchObject({
      networkConfig: { Backend: { Type: "vxlan", DirectRouting: true } },
      agentFlags: ["--datapath=kernel"],
    });
    expect(Object.entries(plan.hostFlags)).toEqual([
      ["h2", ["--datapath=user", "--engine=dgram"]],
      ["h3", ["--queues=1"]],
    ]);
  });

  it("leaves the datapath to the agents unless it is asked for", () => {
    expect(planCarrying(options).agentFlags).toEqual([]);
    expect(planCarrying({ ...options, backend: "udp", datapath: "user" }).agentFlags).toEqual([
      "--datapath=user",
    ]);
  });

  it("refuses a kernel datapath for udp, which has none", () => {
    expect(() => planCarrying({ ...options, backend: "udp", datapath: "kernel" })).toThrow(
      refusal("udp packets always go through the agent"),
    );
  });
});
