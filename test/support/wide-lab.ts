/** Labs whose overlay network has room for thousands of forged leases, all of them on-link for the hosts. */
import { expect } from "vitest";
import { OWN_SUBNETS, WIDE_NETWORK, widenUnderlay } from "./forged-leases.ts";
import { VXLAN_KERNEL } from "./healing-lab.ts";
import { createLab } from "./lab.ts";
import type { Lab, LabHost } from "./lab.ts";
import { difference, peerState, wantedPeerState } from "./peer-state.ts";
import type { DirectableWay } from "./peer-state.ts";

/** Two hosts, each to carry as one of `ways` says by its `hostIndex`; a host that none names is as the first. No agent runs yet. */
export async function createWideLab(ways: readonly [DirectableWay, ...DirectableWay[]]): Promise<Lab> {
  const [{ backend, isDirect = false }] = ways;
  const options = isDirect ? { DirectRouting: true } : {};
  const wayOf = (index: number): DirectableWay => ways.find((way) => way.hostIndex === index) ?? ways[0];
  const flagsOf = (index: number): string[] =>
    wayOf(index).name === VXLAN_KERNEL.name ? ["--datapath=kernel"] : [];
  const lab = await createLab({
    hosts: 2,
    agents: false,
    network: WIDE_NETWORK,
    networkConfig: { ...OWN_SUBNETS, Backend: { Type: backend, ...options } },
    hostFlags: { h1: flagsOf(0), h2: flagsOf(1) },
  });
  await widenUnderlay(lab.hosts);
  return lab;
}

/** Everything that the leases in etcd ask for is there, and nothing else. */
export async function expectWhole(lab: Lab, host: LabHost, way: DirectableWay): Promise<void> {
  const [present, wanted] = await Promise.all([peerState(host, way), wantedPeerState(lab, host, way)]);
  expect(difference(present, wanted)).toEqual({ missing: [], surplus: [] });
}

/** The agent's log has nothing that a person must act on or look at. */
export async function expectQuietLog(host: LabHost): Promise<void> {
  const lines = await host.agent.logLines();
  expect(lines.filter((line) => /"level":"(warn|error|fatal)"/.test(line))).toEqual([]);
}
