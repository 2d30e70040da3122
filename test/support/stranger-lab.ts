/**
 * Two hosts with agents and a pod each, and a third on their link that is nobody's peer; and what strangers and pods send
 * to the port that encapsulated packets come to.
 *
 *   pod ── [victim] ──┬── [peer] ── pod
 *                     └── [stranger], no agent
 */
import { eventually } from "./eventually.ts";
import { frameOf } from "./frames.ts";
import { createLab } from "./lab.ts";
import type { Lab, LabHost, LabPod } from "./lab.ts";
import { udpPacketOf } from "./transport.ts";

/** A way of encapsulating packets, and what agents are told for it. */
export interface Encapsulation {
  readonly name: string;
  readonly type: "udp" | "vxlan";
  readonly flags: readonly string[];
  readonly port: number;
}

export const ENCAPSULATIONS: readonly Encapsulation[] = [
  { name: "udp", type: "udp", flags: [], port: 8285 },
  { name: "vxlan user", type: "vxlan", flags: [], port: 8472 },
  { name: "vxlan kernel", type: "vxlan", flags: ["--datapath=kernel"], port: 8472 },
];

/** Who is in the lab. */
export interface StrangerLab extends AsyncDisposable {
  readonly lab: Lab;
  readonly victim: LabHost;
  readonly peer: LabHost;
  readonly stranger: LabHost;
}

const READY_TIMEOUT_MS = 20_000;
const GUARD_TABLE = ["table", "ip", "twill-10.244.0.0-16"];

/** Pods' packets to elsewhere are masqueraded, as Docker and Kubernetes have it. */
export async function createStrangerLab({ type, flags }: Encapsulation): Promise<StrangerLab> {
  const networkConfig = { Backend: { Type: type } };
  const agentFlags = ["--ip-masq", ...flags];
  const lab = await createLab({ hosts: 3, agents: false, agentFlags, networkConfig });
  const [victim, peer, stranger] = [lab.host(0), lab.host(1), lab.host(2)];
  try {
    const agents = await Promise.all([victim.startAgent(), peer.startAgent()]);
    for (const agent of agents) {
      await agent.waitReady(READY_TIMEOUT_MS);
      await agent.waitForPeers(1, READY_TIMEOUT_MS);
    }
    await guardKnows(victim, peer);
    await guardKnows(peer, victim);
    await victim.addPod();
    await peer.addPod();
  } catch (err) {
    await lab.down();
    throw err;
  }
  return { lab, victim, peer, stranger, [Symbol.asyncDispose]: () => lab.down() };
}

/** Waits until the host's guard stands, for which no readiness waits, and lets the other in. */
async function guardKnows(host: LabHost, { underlayIp }: LabHost): Promise<void> {
  const [, ...table] = GUARD_TABLE;
  const look = ["nft", "get", "element", ...table, "nodes", `{ ${underlayIp} }`];
  await eventually(async () => (await host.exec(look)).code === 0, { timeoutMs: READY_TIMEOUT_MS });
}

/** Payload of a datagram to the encapsulation port of `to`: a UDP packet from one pod to another, as a node sends it. */
export async function encapsulated(
  { type }: Encapsulation,
  lab: Lab,
  ends: {
    readonly source: LabPod;
    readonly destination: LabPod;
    readonly from: LabHost;
    readonly to: LabHost;
  },
): Promise<Buffer> {
  const { source, destination, from, to } = ends;
  const inner = udpPacketOf(Buffer.from("through the tunnel"), {
    source: source.address,
    destination: destination.address,
  });
  if (type === "udp") return inner;
  const [destinationMac, sourceMac] = await Promise.all([vtepMacOf(lab, to), vtepMacOf(lab, from)]);
  return frameOf(inner, { vni: 1, destinationMac, sourceMac });
}

/** As its lease says. */
export async function vtepMacOf(lab: Lab, { underlayIp }: LabHost): Promise<string> {
  for (const text of (await lab.etcd.leases()).values()) {
    const value = JSON.parse(text) as { PublicIP: string; BackendData?: { VtepMAC?: string } };
    if (value.PublicIP === underlayIp) return value.BackendData?.VtepMAC ?? "";
  }
  throw new RangeError(`No lease of ${underlayIp}`);
}

/** Packets that the host's guard has dropped, by reason, without those of which there are none. */
export async function guardDrops(host: LabHost): Promise<Record<string, number>> {
  const json = await host.execChecked(["nft", "-j", "list", "counters", ...GUARD_TABLE]);
  const { nftables } = JSON.parse(json) as { nftables: { counter?: { name: string; packets: number } }[] };
  const counters = nftables.flatMap(({ counter }) => counter ?? []);
  return Object.fromEntries(
    counters.filter(({ packets }) => packets > 0).map((one) => [one.name, one.packets]),
  );
}

/** Ends the host's agent, which would put it back, and removes its guard. */
export async function removeGuard(host: LabHost): Promise<void> {
  host.agent.kill("SIGKILL");
  await host.agent.exited;
  await host.execChecked(["nft", "delete", ...GUARD_TABLE]);
}
