/** Who is no node sends what only nodes may send, and writes what only nodes may write: nothing of it counts. */
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { countPackets, sendDatagrams } from "../support/guarded-hosts.ts";
import {
  BY_WAY_OF_ITSELF,
  SUBNET_MAX,
  hostileLeases,
  leaseValue,
  writeLeases,
} from "../support/hostile-leases.ts";
import type { BackendType } from "../support/hostile-leases.ts";
import { hostState } from "../support/host-state.ts";
import { createLab } from "../support/lab.ts";
import type { Lab, LabHost } from "../support/lab.ts";
import { probed, showProbe } from "../support/pod-probe.ts";
import {
  ENCAPSULATIONS,
  createStrangerLab,
  encapsulated,
  guardDrops,
  removeGuard,
} from "../support/stranger-lab.ts";
import type { Encapsulation, StrangerLab } from "../support/stranger-lab.ts";
import type { Datagrams } from "../support/guarded-hosts.ts";

/** Inner packets of these tests go there; nobody listens. */
const INNER_PORT = 5201;

describe.each(ENCAPSULATIONS)("a node of $name", (way) => {
  /** What the peer would send to the victim's pod, and what has arrived there. */
  async function prepare({ lab, victim, peer }: StrangerLab): Promise<[Datagrams, () => Promise<number>]> {
    const ends = { source: peer.pod, destination: victim.pod, from: peer, to: victim };
    const payload = await encapsulated(way, lab, ends);
    const arrived = await countPackets(victim.pod.namespace, `udp dport ${INNER_PORT}`);
    return [{ target: victim.underlayIp, port: way.port, payload }, arrived];
  }

  it("takes none of a stranger's ten datagrams, and all of a peer's", async () => {
    await using strangerLab = await createStrangerLab(way);
    const { victim, peer, stranger } = strangerLab;
    const [datagrams, arrived] = await prepare(strangerLab);

    await sendDatagrams(stranger.namespace, datagrams);
    await eventually(async () => expect(await guardDrops(victim)).toEqual({ guardDropStranger: 10 }));
    expect(await arrived()).toBe(0);

    await sendDatagrams(peer.namespace, datagrams);
    await eventually(async () => expect(await arrived()).toBe(10));
    expect(await guardDrops(victim)).toEqual({ guardDropStranger: 10 });

    if (!way.flags.includes("--datapath=kernel")) return; // elsewhere the engine looks, too, and ends with the agent
    await removeGuard(victim);
    await sendDatagrams(stranger.namespace, datagrams);
    await eventually(async () => expect(await arrived()).toBe(20));
  });

  it("lets no pod send to another node's port, where it would come with this node's address", async () => {
    await using strangerLab = await createStrangerLab(way);
    const { victim, peer } = strangerLab;
    const [datagrams, arrived] = await prepare(strangerLab);

    await sendDatagrams(peer.pod.namespace, datagrams);
    await eventually(async () => expect(await guardDrops(peer)).toEqual({ guardDropPod: 10 }));
    expect(await arrived()).toBe(0);
    expect(await guardDrops(victim)).toEqual({});

    await removeGuard(peer); // a receiver alone cannot tell
    await sendDatagrams(peer.pod.namespace, datagrams);
    await eventually(async () => expect(await arrived()).toBe(10));
  });
});

/** A way of carrying packets under lies. */
type Way = Pick<Encapsulation, "name" | "flags"> & { readonly type: BackendType };

const WAYS: readonly Way[] = [...ENCAPSULATIONS, { name: "host-gw", type: "host-gw", flags: [] }];
const APPLIED_TIMEOUT_MS = 15_000;
/** WireGuard's bar for a route into its own tunnel. Sent out once, the pings below are less than half of it. */
const MAX_LOOP_BYTES = 70_000;
const FLOOD_PINGS = 200;
const PING_BYTES = 84;
/** Subnets of leases that nothing is to be said against. */
const [AT_ETCD, OLDER, TAKEN] = ["10.244.120.0/24", "10.244.130.0/24", "10.244.135.0/24"];
/** To {@link TAKEN}, by another hand than the agent's. */
const FOREIGN_ROUTE = `${TAKEN} via 192.0.2.254 dev eth0 proto static`;

async function createLiedToLab({ type, flags }: Way): Promise<Lab> {
  const networkConfig = { SubnetMax: SUBNET_MAX, Backend: { Type: type } };
  return await createLab({ hosts: 2, agentFlags: flags, networkConfig });
}

/** Leases that the host's agent does not forward to, without its own. */
async function countRejected({ agent }: LabHost): Promise<number> {
  const { rejectedLeases } = await agent.status();
  return Object.values(rejectedLeases).reduce((sum, count) => sum + count, 0) - 1;
}

async function routesOf(host: LabHost): Promise<string[]> {
  const text = await host.execChecked(["ip", "-4", "route", "show", "table", "all"]);
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .sort();
}

/** Bytes that both hosts send to the underlay while a pod floods an address with pings. */
async function floodBytes(lab: Lab, target: string): Promise<number> {
  const sentBytes = async (): Promise<number> => {
    const shown = lab.hosts.map((host) =>
      host.execChecked(["ip", "-j", "-s", "link", "show", "dev", "eth0"]),
    );
    const links = (await Promise.all(shown)).map(
      (json) => JSON.parse(json) as { stats64: { tx: { bytes: number } } }[],
    );
    return links.flat().reduce((sum, { stats64 }) => sum + stats64.tx.bytes, 0);
  };
  const before = await sentBytes();
  const all = `${FLOOD_PINGS}`;
  for (const pod of lab.pods) {
    const { stdout } = await pod.exec(["ping", "-q", "-f", "-W", "1", "-l", all, "-c", all, target]);
    expect(stdout).toContain(`${all} packets transmitted`);
  }
  return (await sentBytes()) - before;
}

/** The host's route to a subnet by way of the lease holder at `gateway`; none where the network has one route for all. */
function wantedRoutes({ name, type }: Way, subnet: string, gateway: string): string[] {
  if (type === "host-gw") return [`${subnet} via ${gateway} dev eth0 proto 84`];
  const base = subnet.replace(/\/.*/, "");
  return name === "vxlan kernel" ? [`${subnet} via ${base} dev flannel.1 proto 84 onlink`] : [];
}

describe.each(WAYS)("agents of $name", (way) => {
  it("believe no hostile lease: no route is captured, no packet lost, none sent round", async () => {
    await using lab = await createLiedToLab(way);
    const lies = await hostileLeases(lab, way.type, lab.host(0));
    const before = await Promise.all(lab.hosts.map(hostState));

    const counts = await probed([lab.pod(0), lab.pod(1)], async () => {
      await writeLeases(lab, lies);
      for (const host of lab.hosts) {
        await eventually(async () => expect(await countRejected(host)).toBe(lies.size), {
          timeoutMs: APPLIED_TIMEOUT_MS,
        });
      }
    });

    console.info(`${way.name}, ${lies.size} hostile leases: ${showProbe(counts)}`);
    expect(counts.map(({ lost }) => lost)).toEqual([0, 0]);
    expect(await Promise.all(lab.hosts.map(hostState))).toEqual(before);
    for (const { agent } of lab.hosts) expect((await agent.status()).peers).toHaveLength(1);
    const loopBytes = await floodBytes(lab, BY_WAY_OF_ITSELF.replace(/0$/, "9"));
    console.info(`${way.name}, flood to a lease that points at the sender: ${loopBytes} bytes on the wire`);
    expect(loopBytes).toBeLessThanOrEqual(MAX_LOOP_BYTES);
    expect(await floodBytes(lab, lab.pod(1).address)).toBeGreaterThan(FLOOD_PINGS * PING_BYTES);
    for (const host of lab.hosts) expect(await errorsOf(host)).toEqual([]);
  });

  it("give lawful leases their own subnets and no more, and leave a route that somebody else has made", async () => {
    await using lab = await createLiedToLab(way);
    const [host, other] = [lab.host(0), lab.host(1)];
    await host.namespace.ip([`route add ${FOREIGN_ROUTE}`]);
    const shared = [...wantedRoutes(way, AT_ETCD, "192.0.2.254"), ...wantedRoutes(way, OLDER, "192.0.2.81")];
    const wanted = [
      [...(await routesOf(host)), ...shared].sort(),
      [...(await routesOf(other)), ...shared, ...wantedRoutes(way, TAKEN, "192.0.2.83")].sort(),
    ];
    const untilWanted = (): Promise<void> =>
      eventually(async () => expect(await Promise.all(lab.hosts.map(routesOf))).toEqual(wanted), {
        timeoutMs: APPLIED_TIMEOUT_MS,
      });
    const value = (publicIp: string): string => leaseValue(way.type, { publicIp });
    const leases = new Map([
      [AT_ETCD.replace("/", "-"), value("192.0.2.254")], // where etcd is, a node may be
      [OLDER.replace("/", "-"), value("192.0.2.81")],
      [OLDER.replace("/24", "-25"), value("192.0.2.82")], // newer, and overlaps it
      [TAKEN.replace("/", "-"), value("192.0.2.83")],
    ]);

    const counts = await probed([lab.pod(0), lab.pod(1)], async () => {
      await writeLeases(lab, leases);
      for (const { agent } of lab.hosts) await agent.waitForPeers(4, APPLIED_TIMEOUT_MS);
      await untilWanted();
    });
    expect(counts.map(({ lost }) => lost)).toEqual([0, 0]);
    for (const { agent } of lab.hosts) expect((await agent.readyz()).code).toBe(200); // etcd is still in reach

    await host.namespace.ip([`route del ${await someOwnRoute(host)}`]);
    await untilWanted(); // so there was an audit, and the foreign route stands
    for (const each of lab.hosts) expect(await errorsOf(each)).toEqual([]);
  });
});

/** Lines of the agent's log that ask for a person. */
async function errorsOf({ agent }: LabHost): Promise<string[]> {
  return (await agent.logLines()).filter((line) => /^\{"level":"(error|fatal)"/.test(line));
}

/** One that is not needed for the probe, if it may be. */
async function someOwnRoute(host: LabHost): Promise<string> {
  const own = (await routesOf(host)).filter(
    (line) => line.includes("proto 84") && !line.startsWith("blackhole"),
  );
  const [route] = own.filter((line) => line.startsWith(AT_ETCD)).concat(own);
  if (route === undefined) throw new RangeError(`${host.name} has no route of its agent`);
  return route;
}
