import { describe, expect, it } from "vitest";
import { datapathOf, formatHosts, isHealthy } from "../../../../src/lab/show/lab-report.ts";
import type { HostReport } from "../../../../src/lab/show/lab-report.ts";
import { planLab } from "../../../../src/lab/record/lab-plan.ts";

const ENGINE = { engine: "dgram", queues: 1, offload: "off", sourcePort: "fixed" } as const;

const HOST: HostReport = {
  name: "h1",
  underlayIp: "192.0.2.1",
  subnet: "10.244.7.0/24",
  overlayMtu: 1450,
  agentPid: 4001,
  agentState: "ready",
  datapath: "kernel",
  device: "flannel.1",
  peers: 2,
  pods: [{ name: "h1p1", address: "10.244.7.2" }],
};

describe("datapathOf", () => {
  it.each([
    ["udp", true, ENGINE, "dgram"],
    ["vxlan", true, ENGINE, "dgram"],
    ["vxlan", true, null, "kernel"],
    ["host-gw", true, null, "routes"],
    ["alloc", true, null, "none"],
    ["vxlan", false, null, null], // not yet, or no more
    ["udp", true, null, null],
    [null, false, null, null],
  ])("of %s, ready: %s, with %j is %s", (backend, ready, datapath, shown) => {
    expect(datapathOf({ backend, ready, datapath })).toBe(shown);
  });
});

describe("formatHosts", () => {
  it("shows a dash for what is not known", () => {
    const silent = {
      ...HOST,
      name: "h2",
      subnet: null,
      agentPid: null,
      datapath: null,
      peers: null,
      pods: [],
    };
    expect(formatHosts([HOST, { ...silent, agentState: "none" }])).toBe(`\
HOST  UNDERLAY   SUBNET         AGENT  STATE  DATAPATH  PEERS  PODS
h1    192.0.2.1  10.244.7.0/24  4001   ready  kernel    2      h1p1 10.244.7.2
h2    192.0.2.1  -              -      none   -         -      -
`);
  });
});

describe("isHealthy", () => {
  it("asks for a finished lab and for every agent", () => {
    const record = planLab({ owner: "user", hosts: 1 }, "/run/labs", { pid: 4242, startTicks: "1" });
    const up = { ...record, stage: "up" } as const;
    expect(isHealthy(up, [HOST])).toBe(true);
    expect(isHealthy(record, [HOST])).toBe(false);
    expect(isHealthy(up, [HOST, { ...HOST, agentState: "ended" }])).toBe(false);
  });
});
