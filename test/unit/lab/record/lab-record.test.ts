import { describe, expect, it } from "vitest";
import { planLab } from "../../../../src/lab/record/lab-plan.ts";
import { parseLabRecord } from "../../../../src/lab/record/lab-record.ts";

const MAKER = { pid: 4242, startTicks: "123456789" };
const RECORD = planLab({ owner: "user", hosts: 2 }, "/run/labs", MAKER);

function changed(change: object): string {
  return JSON.stringify({ ...RECORD, ...change });
}

describe("parseLabRecord", () => {
  it("reads back what a lab writes", () => {
    const record = {
      ...RECORD,
      etcd: { pid: 77, startTicks: "5" },
      hosts: [{ name: "h1", subnetFile: "/x", agent: null, pods: [{ name: "h1p1", address: "10.244.7.2" }] }],
    };
    expect(parseLabRecord(JSON.stringify(record))).toEqual(record);
  });

  it.each([
    ["a namespace that is not the lab's", { namespaces: ["twl-other-h1"] }],
    ["a namespace that is no lab's", { namespaces: ["default"] }],
    ["a path for a namespace", { namespaces: ["twl-lab-h1/../../x"] }],
    ["a name that leaves the folder", { name: ".." }],
    ["init as a process", { etcd: { pid: 1, startTicks: "5" } }],
    ["a process group", { etcd: { pid: -7, startTicks: "5" } }],
    ["a pid without its start", { maker: { pid: 4242 } }],
    ["an empty token", { token: "" }],
    ["another version", { version: 2 }],
    ["an unknown owner", { owner: "root" }],
    ["hosts that are no list", { hosts: {} }],
  ])("refuses %s", (_, change) => expect(parseLabRecord(changed(change))).toBeNull());

  it.each(["", "null", "[]", "7", "{"])("refuses %j", (text) => expect(parseLabRecord(text)).toBeNull());
});
