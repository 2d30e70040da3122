import { describe, expect, it } from "vitest";
import { formatPodRecord, parsePodRecord } from "../../../src/pod/pod-record.ts";
import type { PodRecord } from "../../../src/pod/pod-record.ts";

const RECORD: PodRecord = {
  name: "web",
  process: { pid: 4711, startTicks: "9007199254740993" },
  command: ["iperf3", "--server"],
  cniConfig: { cniVersion: "1.0.0", name: "twill", type: "twill-cni" },
  attachment: { address: "10.244.7.2", result: { ips: [{ address: "10.244.7.2/24" }] } },
};

describe("parsePodRecord", () => {
  it("gives back what was written, attached or not yet", () => {
    const waiting = { ...RECORD, attachment: null };
    expect(parsePodRecord(formatPodRecord(RECORD), "web")).toEqual(RECORD);
    expect(parsePodRecord(formatPodRecord(waiting), "web")).toEqual(waiting);
  });

  it("refuses the record of another pod", () => {
    expect(parsePodRecord(formatPodRecord(RECORD), "other")).toBeNull();
    expect(parsePodRecord(formatPodRecord({ ...RECORD, name: ".." }), "..")).toBeNull();
  });

  it.each([
    ["no JSON", ""],
    ["null", "null"],
    [
      "a group of processes as its process",
      JSON.stringify({ ...RECORD, process: { pid: -1, startTicks: "1" } }),
    ],
    ["init as its process", JSON.stringify({ ...RECORD, process: { pid: 1, startTicks: "1" } })],
    ["no start time", JSON.stringify({ ...RECORD, process: { pid: 4711 } })],
    ["a command that is no list", JSON.stringify({ ...RECORD, command: "iperf3" })],
    ["no configuration", JSON.stringify({ ...RECORD, cniConfig: undefined })],
    ["no attachment at all", JSON.stringify({ ...RECORD, attachment: undefined })],
    ["an address that is none", JSON.stringify({ ...RECORD, attachment: { address: "web", result: {} } })],
  ])("refuses %s", (_what, text) => expect(parsePodRecord(text, "web")).toBeNull());
});
