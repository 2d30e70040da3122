import { describe, expect, it } from "vitest";
import { formatPods } from "../../../src/pod/list-pods.ts";
import { salvagePodRecord } from "../../../src/pod/pod-record.ts";
import type { PodRecord } from "../../../src/pod/pod-record.ts";
import type { StoredPod } from "../../../src/pod/pod-store.ts";

const WEB: PodRecord = {
  name: "web",
  process: { pid: 4711, startTicks: "1" },
  netns: null,
  command: ["iperf3", "--server"],
  cniConfig: { cniVersion: "1.0.0", name: "twill", type: "twill-cni" },
  attachment: { address: "10.244.7.2", result: null },
};
const ODD: PodRecord = { ...WEB, name: "odd", command: ["sh", "-c", "\u001b[2J\n"], attachment: null };

function stored(record: PodRecord): StoredPod {
  return { name: record.name, record, traces: record, recordFile: `/run/twill-pods/${record.name}/pod.json` };
}

describe("formatPods", () => {
  it("is a table of names, addresses, states, processes and commands", () => {
    const states = [
      { pod: stored(ODD), pid: null },
      { pod: stored({ ...WEB, name: "far" }), pid: "unknown" as const },
      { pod: stored(WEB), pid: 4712 },
    ];
    expect(formatPods(states)).toBe(
      [
        "NAME  ADDRESS     STATE    PID   COMMAND",
        "odd   -           ended    4711  sh -c ?[2J?",
        "far   10.244.7.2  unknown  4711  iperf3 --server",
        "web   10.244.7.2  running  4712  iperf3 --server",
        "",
      ].join("\n"),
    );
  });

  it("names a damaged record with what helps, beside the others", () => {
    const damaged = { name: "bad", record: null, recordFile: "/run/twill-pods/bad/pod.json" };
    const states = [
      { pod: { ...damaged, traces: salvagePodRecord("{", "bad") }, pid: null },
      { pod: stored(WEB), pid: 4711 },
    ];
    expect(formatPods(states)).toBe(
      [
        "NAME  ADDRESS     STATE    PID   COMMAND",
        "bad   -           damaged  -     (/run/twill-pods/bad/pod.json is damaged: twill pod rm bad ends what is left of it)",
        "web   10.244.7.2  running  4711  iperf3 --server",
        "",
      ].join("\n"),
    );
  });
});
