import type { AgentStatus } from "../../src/agent/status.ts";

/** What an agent says of itself before it knows the network config; the underlay is not chosen either. */
export const STARTING_STATUS: AgentStatus = {
  version: "0.1.0",
  pid: 4711,
  nodeId: "380309d1a541fe15fdc80ba402902250",
  ready: false,
  notReadyReason: "Waiting for the network config in etcd",
  configProblem: null,
  network: null,
  subnet: null,
  underlay: null,
  backend: null,
  overlayMtu: null,
  datapath: null,
  lease: { state: "none", etcdLeaseId: null, expiresInSeconds: null },
  registry: { isConnected: false, revision: null, lastContactSeconds: null, relists: 0 },
  peers: [],
  rejectedLeases: {},
  counters: {},
};
