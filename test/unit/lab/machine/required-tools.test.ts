import { describe, expect, it } from "vitest";
import { DEMO_TOOLS, checkMachine, checkRoot } from "../../../../src/lab/machine/required-tools.ts";

const COMPLETE = { userId: 0, hasProgram: () => true, hasTun: true };

describe("checkMachine", () => {
  it("is content with root, every program and a TUN", () =>
    expect(() => checkMachine(COMPLETE, DEMO_TOOLS)).not.toThrow());

  it("says everything that is missing in one message, with the packages that bring it", () => {
    const bare = {
      userId: 1000,
      hasProgram: (name: string) => name !== "etcd" && name !== "iperf3",
      hasTun: false,
    };
    expect(() => checkMachine(bare, DEMO_TOOLS)).toThrow(
      "Cannot run a lab on this machine: it needs root, to make and enter network namespaces; there is no /dev/net/tun " +
        "(modprobe tun); these programs are missing: etcd, iperf3 (on Debian: apt-get install etcd-server iperf3)",
    );
  });

  it("does not ask for the demo's programs elsewhere", () => {
    expect(() => checkMachine({ ...COMPLETE, hasProgram: (name) => name !== "iperf3" })).not.toThrow();
  });
});

describe("checkRoot", () => {
  it("asks for root and nothing else", () => {
    const bare = { userId: 0, hasProgram: () => false, hasTun: false };
    expect(() => checkRoot(bare)).not.toThrow();
    expect(() => checkRoot({ ...bare, userId: 1000 })).toThrow(
      "Cannot run a lab on this machine: it needs root, to make and enter network namespaces",
    );
  });
});
