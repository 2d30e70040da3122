import { describe, expect, it } from "vitest";
import { formatPodRecord, parsePodRecord, salvagePodRecord } from "../../../src/pod/pod-record.ts";
import type { PodRecord } from "../../../src/pod/pod-record.ts";

const RECORD: PodRecord = {
  name: "web",
  process: { pid: 4711, startTicks: "9007199254740993" },
  netns: { number: 4026532345, mark: "twill-pod:web:1b-4711:9f86d081884c7d65" },
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

  it("takes a record of a twill that did not write the namespace down", () => {
    const old = JSON.stringify({ ...RECORD, netns: undefined });
    expect(parsePodRecord(old, "web")).toEqual({ ...RECORD, netns: null });
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
    ["a start time that is a number", JSON.stringify({ ...RECORD, process: { pid: 4711, startTicks: 1 } })],
    ["a mark that is none", JSON.stringify({ ...RECORD, netns: { number: 4026532345, mark: "" } })],
    ["a namespace without number", JSON.stringify({ ...RECORD, netns: { mark: RECORD.netns?.mark } })],
    ["no start time", JSON.stringify({ ...RECORD, process: { pid: 4711 } })],
    ["a command that is no list", JSON.stringify({ ...RECORD, command: "iperf3" })],
    ["no configuration", JSON.stringify({ ...RECORD, cniConfig: undefined })],
    ["no attachment at all", JSON.stringify({ ...RECORD, attachment: undefined })],
    ["an address that is none", JSON.stringify({ ...RECORD, attachment: { address: "web", result: {} } })],
  ])("refuses %s", (_what, text) => expect(parsePodRecord(text, "web")).toBeNull());
});

describe("salvagePodRecord", () => {
  const NOTHING = { name: "web", process: null, netns: null, cniConfig: null, attachment: null };

  it("keeps each member that can be used", () => {
    const { name, process, netns, cniConfig, attachment } = RECORD;
    const bent = { ...RECORD, command: "iperf3" };
    expect(salvagePodRecord(JSON.stringify(bent), "web")).toEqual({
      name,
      process,
      netns,
      cniConfig,
      attachment,
    });
    expect(salvagePodRecord(JSON.stringify({ ...bent, process: { pid: -1 } }), "web")).toEqual({
      name,
      process: null,
      netns,
      cniConfig,
      attachment,
    });
    expect(salvagePodRecord(JSON.stringify({ name, process, netns: {}, cniConfig: 7 }), "web")).toEqual({
      ...NOTHING,
      process,
    });
  });

  it.each([
    ["no JSON", "{"],
    ["nothing", ""],
    ["null", "null"],
    ["a list", "[7]"],
  ])("knows the name alone of %s", (_what, text) => expect(salvagePodRecord(text, "web")).toEqual(NOTHING));

  it("takes nothing from the record of another pod", () =>
    expect(salvagePodRecord(JSON.stringify({ ...RECORD, name: "other" }), "web")).toEqual(NOTHING));
});
