import { describe, expect, it } from "vitest";
import { planLab } from "../../../../src/lab/record/lab-plan.ts";
import { parseLabRecord } from "../../../../src/lab/record/parse-record.ts";

const MAKER = { pid: 4242, startTicks: "123456789" };
const RECORD = planLab({ owner: "user", hosts: 2 }, "/run/labs", MAKER);

/** As `twill lab up` wrote it before hosts could differ. */
const OLD_RECORD = `{
  "version": 1,
  "name": "lab",
  "owner": "user",
  "token": "0d9f2c2e-33cb-4a3e-8e0a-4d3f4e0b6a11",
  "maker": { "pid": 4242, "startTicks": "123456789" },
  "stage": "up",
  "namespaces": ["twl-lab-net", "twl-lab-h1", "twl-lab-h1p1"],
  "network": "10.244.0.0/16",
  "underlayMtu": 1500,
  "etcd": { "pid": 77, "startTicks": "5" },
  "hosts": [
    {
      "name": "h1",
      "subnetFile": "/run/labs/lab/h1/subnet.env",
      "agent": { "pid": 78, "startTicks": "6" },
      "pods": [{ "name": "h1p1", "address": "10.244.7.2" }]
    }
  ]
}`;

function changed(change: object): string {
  return JSON.stringify({ ...RECORD, ...change });
}

describe("parseLabRecord", () => {
  it("reads back what a lab writes", () => {
    const record = {
      ...RECORD,
      etcd: { pid: 77, startTicks: "5" },
      hosts: [
        {
          name: "h1",
          subnetFile: "/x",
          agentFlags: ["--datapath=kernel"],
          agent: null,
          pods: [{ name: "h1p1", address: "10.244.7.2" }],
        },
      ],
    };
    expect(parseLabRecord(JSON.stringify(record))).toEqual(record);
  });

  it("reads a record of version 1 as one of a udp lab that counts leaks", () => {
    const { version, backend, countsLeaks, hosts, ...rest } = parseLabRecord(OLD_RECORD) ?? RECORD;
    expect({ version, backend, countsLeaks }).toEqual({
      version: 2,
      backend: { type: "udp", deviceName: "flannel0", isInClear: false },
      countsLeaks: true,
    });
    const { version: _one, hosts: oldHosts, ...old } = JSON.parse(OLD_RECORD) as Record<string, object[]>;
    expect(rest).toEqual(old);
    expect(hosts).toEqual([{ ...oldHosts?.[0], agentFlags: [] }]);
  });

  it("checks a record of version 1 as any other", () => {
    expect(parseLabRecord(OLD_RECORD.replace("twl-lab-h1p1", "twl-other-h1"))).toBeNull();
    expect(parseLabRecord(OLD_RECORD.replace('"pid": 77', '"pid": 1'))).toBeNull();
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
    ["a later version", { version: 3 }],
    ["no version", { version: undefined }],
    ["no backend", { backend: undefined }],
    ["a backend without its device", { backend: { type: "udp", isInClear: false } }],
    ["flags that are no texts", { hosts: [{ ...RECORD.hosts[0], agentFlags: [7] }] }],
    ["hosts without flags", { hosts: [{ ...RECORD.hosts[0], agentFlags: undefined }] }],
    ["a count of leaks that is neither true nor false", { countsLeaks: "yes" }],
    ["an unknown owner", { owner: "root" }],
    ["hosts that are no list", { hosts: {} }],
  ])("refuses %s", (_, change) => expect(parseLabRecord(changed(change))).toBeNull());

  it.each(["", "null", "[]", "7", "{"])("refuses %j", (text) => expect(parseLabRecord(text)).toBeNull());
});
