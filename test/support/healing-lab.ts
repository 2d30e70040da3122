/**
 * Faults of the kernel's state under running agents: a lab for each way of carrying packets, what a host held before, a
 * probe of both directions, and the check that all is as it was.
 *
 *   pod h1p1 ─ br-pods ─ [flannel0 | flannel.1] ─ eth0 192.0.2.1 ──bridge── eth0 192.0.2.2 ─ ... ─ pod h2p1
 *                        br-other 198.51.100.1: routes, rules and a firewall of somebody else, which nobody may touch
 */
import { afterAll, expect } from "vitest";
import { eventually } from "./eventually.ts";
import { hostState } from "./host-state.ts";
import { createLab } from "./lab.ts";
import type { Lab, LabHost } from "./lab.ts";
import type { LogLine } from "./log-lines.ts";

/** One way of carrying packets. */
export interface Way {
  readonly name: string;
  readonly backend: "udp" | "vxlan" | "host-gw";
  readonly deviceName: string | null;
  readonly overheadBytes: number;
  /** Index of the host in its lab that carries so. */
  readonly hostIndex: 0 | 1;
}

export const UDP: Way = {
  name: "udp",
  backend: "udp",
  deviceName: "flannel0",
  overheadBytes: 28,
  hostIndex: 0,
};
export const VXLAN_USER: Way = {
  name: "vxlan user",
  backend: "vxlan",
  deviceName: "flannel.1",
  overheadBytes: 50,
  hostIndex: 0,
};
/** In one lab with {@link VXLAN_USER}: each is the other's peer. */
export const VXLAN_KERNEL: Way = { ...VXLAN_USER, name: "vxlan kernel", hostIndex: 1 };
export const HOST_GW: Way = {
  name: "host-gw",
  backend: "host-gw",
  deviceName: null,
  overheadBytes: 0,
  hostIndex: 0,
};

export const WAYS: readonly Way[] = [UDP, VXLAN_USER, VXLAN_KERNEL, HOST_GW];
export const TUNNELS: readonly Way[] = [UDP, VXLAN_USER, VXLAN_KERNEL];

/** Where faults of one way are tried: `host` has them, `peer` is the other one. */
export interface Place {
  readonly way: Way;
  readonly lab: Lab;
  readonly host: LabHost;
  readonly peer: LabHost;
}

/** The lab's, unless told otherwise. */
const OVERLAY_NETWORK = "10.244.0.0/16";

/** Firewall of somebody else; loading it again changes nothing. */
export const FOREIGN_RULES = `table ip foreign
delete table ip foreign
table ip foreign { chain forward { type filter hook forward priority 10; ip saddr 203.0.113.9 drop; }; }
`;

/** What somebody else has on the host, some of it within the overlay network. */
const FOREIGN_OBJECTS = [
  "link add br-other type bridge forward_delay 0",
  "address add 198.51.100.1/24 dev br-other",
  "link set br-other up",
  "route add 203.0.113.0/24 via 198.51.100.7 dev br-other proto static",
  "route add 10.244.255.0/24 via 198.51.100.8 dev br-other",
  "route add 10.244.255.0/25 dev br-other proto 84 table 100",
  "neigh add 198.51.100.7 lladdr 02:00:5e:00:53:07 dev br-other nud permanent",
  "rule add pref 1000 from 203.0.113.9 lookup 100",
];

/** The labs of one test file, each made when a test asks for it; they end with the file. */
export function useHealingLabs(): { place(way: Way): Promise<Place> } {
  const labs = new Map<Way["backend"], Promise<Lab>>();
  afterAll(async () => {
    const made = await Promise.allSettled(labs.values()); // a test has failed for one that could not be made
    for (const lab of made) if (lab.status === "fulfilled") await lab.value.down();
  });
  return {
    async place(way) {
      const making = labs.get(way.backend) ?? createHealingLab(way.backend);
      labs.set(way.backend, making);
      const lab = await making;
      return { way, lab, host: lab.host(way.hostIndex), peer: lab.host(1 - way.hostIndex) };
    },
  };
}

/** Two hosts with a pod each and things of somebody else; with vxlan, h2 has the kernel's. `config` joins the network config. */
export async function createHealingLab(
  backend: Way["backend"],
  config: Readonly<Record<string, unknown>> = {},
): Promise<Lab> {
  const lab = await createLab({
    hosts: 2,
    networkConfig: { ...config, SubnetMax: "10.244.199.0", Backend: { Type: backend } }, // above are others
    hostFlags: backend === "vxlan" ? { h2: ["--datapath=kernel"] } : {},
  });
  try {
    for (const host of lab.hosts) await addForeignState(host);
    return lab;
  } catch (err) {
    await lab.down();
    throw err;
  }
}

async function addForeignState(host: LabHost): Promise<void> {
  // As systemd has it: deleting the first address of a prefix leaves the others.
  await host.namespace.sysctl(["net.ipv4.conf.eth0.promote_secondaries=1"]);
  await host.namespace.ip(FOREIGN_OBJECTS);
  await host.execChecked(["nft", "-f", "-"], { stdin: FOREIGN_RULES });
}

/** What is asked of a healing. */
export interface HealingOptions {
  /** From the end of the fault until everything is as before, at the latest. */
  readonly withinMs: number;
  /** What the state of before is to have become; default: just that. */
  readonly wanted?: (before: readonly string[]) => readonly string[];
  /** Messages of lines at level error that belong to the fault. Every other one is a failure. */
  readonly expectedErrors?: readonly string[];
}

/** What was seen. */
export interface Healing {
  /** From the end of the fault. */
  readonly healedMs: number;
  /** Lines of the host's agent since the fault began. */
  readonly lines: readonly LogLine[];
}

/**
 * Runs `fault` on the host with both pods pinging each other, waits until the host holds what it held, and both ways carry
 * packets; then nothing may have left in clear, nothing of anybody else have changed, and no error have been logged.
 */
export async function heals(
  place: Place,
  what: string,
  fault: () => Promise<unknown>,
  options: HealingOptions,
): Promise<Healing> {
  const { way, host, peer } = place;
  const [before, peerBefore] = await Promise.all([hostState(host), hostState(peer)]);
  const logged = (await host.agent.logLines()).length;
  const probes = await startProbes(place);
  await fault();
  const faultEndMs = performance.now();
  const wanted = options.wanted?.(before) ?? before;
  await becomes(host, wanted, options.withinMs);
  const healedMs = performance.now() - faultEndMs;
  const losses = await probes.stop();
  await becomes(peer, peerBefore, options.withinMs);
  console.info(`${way.name}, ${what}: whole after ${healedMs.toFixed(0)} ms; ${losses}`);
  const lines = await linesSince(host, logged);
  const errors = lines.filter(({ level }) => level === "error").map(({ msg }) => msg);
  expect(errors.filter((msg) => options.expectedErrors?.includes(msg) !== true)).toEqual([]);
  await expectNoLeak(place);
  return { healedMs, lines };
}

/** Waits until the host holds exactly this. */
export async function becomes(host: LabHost, wanted: readonly string[], timeoutMs: number): Promise<void> {
  await eventually(async () => expect(await hostState(host)).toEqual(wanted), { timeoutMs, pollMs: 20 });
}

/** With host-gw all packets are in clear, and nobody counts. */
export async function expectNoLeak({ lab, way }: Place): Promise<void> {
  if (way.backend !== "host-gw") expect(await lab.leaks()).toEqual({ fromOverlay: 0, toOverlay: 0 });
}

/** Lines of the host's log from this index on. */
export async function linesSince(host: LabHost, index: number): Promise<LogLine[]> {
  return (await host.agent.logLines()).slice(index).map((line) => JSON.parse(line) as LogLine);
}

/** Pods ping each other a hundred times a second. */
export async function startProbes({ host, peer }: Place): Promise<{ stop(): Promise<string> }> {
  const probes = [host.pod.startPing(peer.pod.address), peer.pod.startPing(host.pod.address)];
  const carry = async (): Promise<void> => {
    await Promise.all(probes.map((probe) => probe.waitForAnswers(10, 10_000)));
  };
  await carry();
  return {
    /** Waits for ten answers each way; resolves with the losses in words. */
    async stop() {
      await carry();
      const counts = await Promise.all(probes.map((probe) => probe.stop()));
      return counts
        .map(
          ({ lost, sent, longestGapMs }) =>
            `lost ${lost} of ${sent}, longest gap ${longestGapMs?.toFixed(0) ?? "?"} ms`,
        )
        .join(", back: ");
    },
  };
}

/** The route that takes packets to the peer: where to, and which way, as `ip` takes them. */
export async function ownRoute({ way, peer }: Place): Promise<{ destination: string; way: string }> {
  const { subnet } = await peer.subnetFile();
  if (way === HOST_GW) return { destination: subnet.toString(), way: `via ${peer.underlayIp} dev eth0` };
  const device = `dev ${way.deviceName ?? ""}`;
  if (way !== VXLAN_KERNEL) return { destination: OVERLAY_NETWORK, way: device };
  return { destination: subnet.toString(), way: `via ${subnet.address.toString()} ${device} onlink` };
}

/** What a network manager does when the underlay's device is up again: the address, where it is gone, and the default route. */
export async function restoreUnderlay(host: LabHost, address = host.underlayIp): Promise<void> {
  await host.namespace.ip([
    `address replace ${address}/24 dev eth0`,
    "route replace default via 192.0.2.254 dev eth0",
  ]);
}
