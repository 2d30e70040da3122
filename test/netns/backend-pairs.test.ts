/**
 * Agents that carry packets each in its own way, in one overlay: every pod reaches every other.
 *
 *   pod ── [h1 native] ──┐                  ┌── [h4 native] ── pod
 *   pod ── [h2 dgram]  ──┼──── underlay ────┼── [h5 dgram]  ── pod        two hosts for each way, so that each
 *   pod ── [h3 kernel] ──┘                  └── [h6 kernel] ── pod        is also seen with its like
 */
import { describe, expect, it } from "vitest";
import { createLab } from "../support/lab.ts";
import type { Lab, LabHost, LabPod } from "../support/lab.ts";
import { networkState } from "../support/host-snapshot.ts";
import { SUBNETS_PREFIX, keyForm } from "../support/lab-registry.ts";
import { exchangeStream, noteSenders, startEcho } from "../support/pod-traffic.ts";

/** One overlay. */
interface Overlay {
  readonly name: string;
  readonly backend: Readonly<Record<string, unknown>>;
  readonly hosts: number;
  /** Flags of the ways in it, which the hosts take in turn. */
  readonly ways: readonly string[];
  readonly overlayMtu: number;
}

const NATIVE = "--engine=native";
const DGRAM = "--engine=dgram";
const KERNEL = "--datapath=kernel";
const ENCAPSULATED: readonly Overlay[] = [
  { name: "udp", backend: { Type: "udp" }, hosts: 4, ways: [NATIVE, DGRAM], overlayMtu: 1472 },
  { name: "vxlan", backend: { Type: "vxlan" }, hosts: 6, ways: [NATIVE, DGRAM, KERNEL], overlayMtu: 1450 },
];
const IN_CLEAR: readonly Overlay[] = [
  {
    name: "vxlan with DirectRouting",
    backend: { Type: "vxlan", DirectRouting: true },
    hosts: 3,
    ways: [NATIVE, DGRAM, KERNEL],
    overlayMtu: 1450,
  },
  { name: "host-gw", backend: { Type: "host-gw" }, hosts: 3, ways: [KERNEL], overlayMtu: 1500 },
];
const PINGS = 20;
const STREAM_BYTES = 1_000_000;
/** Room in the pods' devices beyond the overlay MTU: then their host is who refuses what is too large. */
const SPARE_BYTES = 8;

/** What pods send elsewhere is masqueraded; what they send each other must not be. */
async function createOverlay({ backend, hosts, ways }: Overlay): Promise<Lab> {
  const flagOf = (i: number): string => ways[i % ways.length] ?? "";
  const hostFlags = Object.fromEntries(Array.from({ length: hosts }, (_, i) => [`h${i + 1}`, [flagOf(i)]]));
  const lab = await createLab({
    hosts,
    hostFlags,
    agentFlags: ["--ip-masq"],
    networkConfig: { Backend: backend },
  });
  const carriers = lab.hosts.map(async ({ agent }) => (await agent.status()).datapath?.engine ?? "kernel");
  expect(await Promise.all(carriers)).toEqual(lab.hosts.map((_, i) => flagOf(i).replace(/.*=/, "")));
  return lab;
}

/** Calls `act` for every ordered pair of pods, in rounds in which each pod sends to one and receives from one. */
async function forEachPair<T>(lab: Lab, act: (from: LabPod, to: LabPod) => Promise<T>): Promise<T[]> {
  const { pods } = lab;
  const results: T[] = [];
  for (let distance = 1; distance < pods.length; distance++) {
    const round = pods.map((from, i) => act(from, lab.pod((i + distance) % pods.length)));
    results.push(...(await Promise.all(round)));
  }
  return results;
}

/** Every ordered pair: pings, a stream, and the pod's own address as the source of both. */
async function expectTraffic(lab: Lab): Promise<void> {
  const senders = await Promise.all(lab.pods.map(noteSenders));
  const servers = await Promise.all(lab.pods.map(startEcho));
  const counts = await forEachPair(lab, (from, to) => from.ping(to.address, { count: PINGS }));
  await forEachPair(lab, (from, to) => exchangeStream(from, to, STREAM_BYTES));
  for (const server of servers) server.stop();
  const sums = { sent: sum(counts.map(({ sent }) => sent)), lost: sum(counts.map(({ lost }) => lost)) };
  const pairs = lab.pods.length * (lab.pods.length - 1);
  expect(sums).toEqual({ sent: pairs * PINGS, lost: 0 });
  for (const [i, pod] of lab.pods.entries()) {
    const others = lab.pods.filter((other) => other !== pod);
    const wanted = others.flatMap(({ address }) => [`${address} icmp`, `${address} tcp`]).sort();
    expect(await senders[i]?.(), `sources that ${pod.name} saw`).toEqual(wanted);
  }
}

/** Every ordered pair: a packet of exactly the overlay MTU arrives, one byte more does not. */
async function expectMtu(lab: Lab, overlayMtu: number, spareBytes = SPARE_BYTES): Promise<void> {
  for (const host of lab.hosts) {
    expect((await host.subnetFile()).overlayMtu).toBe(overlayMtu);
    await host.setPodMtu(overlayMtu + spareBytes);
  }
  const whole = { count: 3, dontFragment: true };
  const fits = await forEachPair(lab, (from, to) => from.ping(to.address, { ...whole, bytes: overlayMtu }));
  const over = await forEachPair(lab, (from, to) =>
    from.ping(to.address, { ...whole, bytes: overlayMtu + 1, lingerMs: 100 }),
  );
  expect(fits.map(({ received }) => received)).toEqual(fits.map(() => whole.count));
  expect(over.map(({ received }) => received)).toEqual(over.map(() => 0));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Counts, on the underlay, datagrams to the ports of both encapsulations. */
async function countEncapsulated(lab: Lab): Promise<() => Promise<number>> {
  await lab.underlay.execChecked(["nft", "-f", "-"], {
    stdin: `table bridge encapsulated {
  chain watch { type filter hook prerouting priority -300; udp dport { 8285, 8472 } counter; }
}
`,
  });
  return async () => {
    const text = await lab.underlay.execChecked(["nft", "list", "table", "bridge", "encapsulated"]);
    return Number(/counter packets (\d+)/.exec(text)?.[1] ?? NaN);
  };
}

describe("pods of hosts that carry packets each in its own way", () => {
  it.each(ENCAPSULATED)("all reach each other with $name, and nothing crosses in clear", async (overlay) => {
    await using lab = await createOverlay(overlay);
    const encapsulated = await countEncapsulated(lab);
    await expectTraffic(lab);
    await expectMtu(lab, overlay.overlayMtu);
    expect(await encapsulated()).toBeGreaterThan(0);
    expect(await lab.leaks()).toEqual({ fromOverlay: 0, toOverlay: 0 });
  });

  it.each(IN_CLEAR)("all reach each other with $name, by plain routes alone", async (overlay) => {
    await using lab = await createOverlay(overlay);
    const encapsulated = await countEncapsulated(lab);
    await expectTraffic(lab);
    await expectMtu(lab, overlay.overlayMtu, 0); // eth0 takes more: what the pods have been told is the limit
    expect(await encapsulated()).toBe(0);
    for (const [from, to] of lab.hosts.flatMap((one) => lab.hosts.map((other) => [one, other] as const))) {
      if (from === to) continue;
      const way = await from.execChecked(["ip", "route", "get", to.pod.address]);
      expect(way).toContain(`${to.pod.address} via ${to.underlayIp} dev eth0`);
    }
  });
});

describe("alloc", () => {
  it("leases a subnet and writes the subnet file, and makes neither device nor route", async () => {
    const networkConfig = { Backend: { Type: "alloc" } };
    await using lab = await createLab({ hosts: 2, pods: 0, agents: false, networkConfig });
    const before = await Promise.all(lab.hosts.map(networkState));
    await lab.startAgents();

    expect(await Promise.all(lab.hosts.map(networkState))).toEqual(before);
    const leases = await lab.etcd.leases();
    expect(leases.size).toBe(2);
    for (const host of lab.hosts) await expectLeased(host, leases);

    await lab.etcd.etcdctl(["put", "--", `${SUBNETS_PREFIX}10.244.0.0-24`, '{"PublicIP":"192.0.2.66"}']);
    for (const { agent } of lab.hosts) await agent.waitForPeers(2, 5_000);
    for (const { agent } of lab.hosts) expect(await agent.stop()).toEqual({ code: 0, signal: null });
    expect(await Promise.all(lab.hosts.map(networkState))).toEqual(before);
  });

  async function expectLeased(host: LabHost, leases: ReadonlyMap<string, string>): Promise<void> {
    const { subnet, network, overlayMtu } = await host.subnetFile();
    expect([network.toString(), overlayMtu]).toEqual(["10.244.0.0/16", 1500]);
    const value = leases.get(keyForm(subnet.toString())) ?? "";
    expect(JSON.parse(value)).toMatchObject({ PublicIP: host.underlayIp });
  }
});
