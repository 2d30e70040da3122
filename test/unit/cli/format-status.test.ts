import { describe, expect, it } from "vitest";
import { formatStatus } from "../../../src/cli/format-status.ts";
import type { AgentStatus } from "../../../src/agent/status.ts";
import { STARTING_STATUS } from "../../support/starting-status.ts";

const READY: AgentStatus = {
  version: "0.1.0",
  pid: 4711,
  nodeId: "380309d1a541fe15fdc80ba402902250",
  ready: true,
  notReadyReason: null,
  configProblem: null,
  network: "10.244.0.0/16",
  subnet: "10.244.7.0/24",
  underlay: { interfaceName: "eth0", interfaceIp: "192.0.2.1", publicIp: "203.0.113.1" },
  backend: "udp",
  overlayMtu: 1472,
  datapath: { engine: "native", queues: 2, offload: "tcp+udp", sourcePort: "fixed" },
  lease: { state: "held", etcdLeaseId: "7587899055665700368", expiresInSeconds: 86_399.5 },
  registry: { isConnected: true, revision: "42", lastContactSeconds: 2.4, relists: 0 },
  peers: [
    {
      subnet: "10.244.8.0/24",
      underlayIp: "192.0.2.2",
      nodeId: "d8487227d0a7476ac5880b4692ae7eac",
      isHeld: false,
      counters: {
        encapPackets: 12_345,
        encapBytes: 9_876_543,
        decapPackets: 0,
        decapBytes: 0,
        decapDropped: 3,
      },
    },
    { subnet: "10.244.90.0/24", underlayIp: "192.0.2.33", nodeId: null, isHeld: true, counters: null },
  ],
  rejectedLeases: { own: 1, "next-hop-self": 2 },
  counters: { encapPackets: 12_345, encapDropNoPeer: 0 },
};

/** The same peers without what only some of them have. */
const PLAIN_PEERS = READY.peers.map((peer) => ({ ...peer, isHeld: false, counters: null }));

describe("formatStatus", () => {
  it("prints one fact a line, the peers as a table, and counts that are not 0", () => {
    expect(formatStatus(READY)).toBe(`\
agent     twill 0.1.0, pid 4711, node 380309d1a541fe15fdc80ba402902250
ready     yes
network   10.244.0.0/16
subnet    10.244.7.0/24
lease     held, expires in 24 h
underlay  eth0 192.0.2.1, peers send to 203.0.113.1
backend   udp, MTU 1472
engine    native, 2 queues, offload of TCP and UDP
etcd      connected, last answer 2 s ago, revision 42

2 peers
  SUBNET          SENT TO     SENT            RECEIVED  REFUSED  NODE                              NOTE
  10.244.8.0/24   192.0.2.2   12345, 9.88 MB  0         3        d8487227d0a7476ac5880b4692ae7eac
  10.244.90.0/24  192.0.2.33  -               -         0        -                                 gone from etcd, kept for now

leases not used
  next-hop-self  2

counters
  encapPackets  12345
`);
  });

  it("says how the network config in etcd differs, and nothing of it when an older agent does not know", () => {
    const configProblem = "changed in etcd, restart the agent to apply it: SubnetLen 24 -> 25";
    const text = formatStatus({ ...READY, configProblem });
    expect(text).toContain(`\nready     yes\nnetwork   10.244.0.0/16\nconfig    ${configProblem}\nsubnet `);
    const { configProblem: _unknown, ...older } = READY;
    expect(formatStatus(older as AgentStatus)).toBe(formatStatus(READY));
  });

  it("has no column for notes or refused datagrams when there are none", () => {
    const text = formatStatus({ ...READY, peers: PLAIN_PEERS });
    expect(text).toMatch(/^ {2}SUBNET +SENT TO +SENT +RECEIVED +NODE$/m);
  });

  it.each([
    [{ engine: "dgram", queues: 1, offload: "off", sourcePort: "fixed" }, "dgram, 1 queue, offload off"],
    [
      { engine: "native", queues: 8, offload: "tcp", sourcePort: "flow-hash" },
      "native, 8 queues, offload of TCP, source port by flow",
    ],
  ] as const)("says how packets are carried: %j", (datapath, shown) => {
    expect(formatStatus({ ...READY, datapath })).toContain(`\nengine    ${shown}\n`);
  });

  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.00 kB"],
    [12_345, "12.3 kB"],
    [999_999, "999 kB"],
    [1_000_000, "1.00 MB"],
    [2 ** 53, "9.01 PB"],
  ])("shows %d bytes with three digits", (decapBytes, shown) => {
    const counters = { encapPackets: 0, encapBytes: 0, decapPackets: 1, decapBytes, decapDropped: 0 };
    const text = formatStatus({ ...READY, peers: PLAIN_PEERS.map((peer) => ({ ...peer, counters })) });
    expect(text).toMatch(new RegExp(`^  10\\.244\\.8\\.0/24 +192\\.0\\.2\\.2 +0 +1, ${shown} +d84`, "m"));
  });

  it("says what is not known yet and why the agent is not ready", () => {
    const text = formatStatus(STARTING_STATUS);
    expect(text).toBe(`\
agent     twill 0.1.0, pid 4711, node 380309d1a541fe15fdc80ba402902250
ready     no: Waiting for the network config in etcd
network   unknown yet
subnet    none
lease     none
underlay  unknown yet
backend   unknown yet
etcd      not connected, never reached

no peers
`);
  });

  it.each([
    [0, "0 s"],
    [99.4, "99 s"],
    [100, "2 min"],
    [5939, "99 min"],
    [6000, "2 h"],
  ])("shows %d s as a number of two digits", (seconds, shown) => {
    const { lease } = READY;
    const text = formatStatus({ ...READY, lease: { ...lease, expiresInSeconds: seconds } });
    expect(text).toContain(`expires in ${shown}\n`);
  });
});
