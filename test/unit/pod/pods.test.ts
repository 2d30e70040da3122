import { describe, expect, it } from "vitest";
import type { PodRecord } from "../../../src/pod/pod-record.ts";
import { commandInPod, formatPods } from "../../../src/pod/pods.ts";

const WEB: PodRecord = {
  name: "web",
  process: { pid: 4711, startTicks: "1" },
  command: ["iperf3", "--server"],
  cniConfig: { cniVersion: "1.0.0", name: "twill", type: "twill-cni" },
  attachment: { address: "10.244.7.2", result: null },
};
const ODD: PodRecord = { ...WEB, name: "odd", command: ["sh", "-c", "\u001b[2J\n"], attachment: null };

describe("formatPods", () => {
  it("is a table of names, addresses, states, processes and commands", () => {
    expect(formatPods([ODD, WEB], (pod) => pod.name === "web")).toBe(
      [
        "NAME  ADDRESS     STATE    PID   COMMAND",
        "odd   -           ended    4711  sh -c ?[2J?",
        "web   10.244.7.2  running  4711  iperf3 --server",
        "",
      ].join("\n"),
    );
  });
});

describe("commandInPod", () => {
  it("enters the namespace of the pod's process", () => {
    expect(commandInPod(WEB, ["ping", "10.244.9.2"])).toEqual([
      "nsenter",
      "--net=/proc/4711/ns/net",
      "--",
      "ping",
      "10.244.9.2",
    ]);
  });
});
