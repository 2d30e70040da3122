/** What a host holds for its peers, wherever it holds it, against what the leases in etcd ask for. */
import type { Namespace } from "../../src/lab/machine/namespace.ts";
import { WIDE_NETWORK } from "./forged-leases.ts";
import { HOST_GW, VXLAN_KERNEL } from "./healing-lab.ts";
import type { Way } from "./healing-lab.ts";
import type { Lab, LabHost } from "./lab.ts";

/** Of each kind. */
const SHOWN_LINES = 3;
const GUARD_TABLE = "twill-10.64.0.0-10";

/** A way of carrying packets, and whether on-link peers get theirs without encapsulation. */
export type DirectableWay = Way & { readonly isDirect?: boolean };

/** A lease as etcd holds it. */
interface StoredLease {
  readonly subnet: string;
  readonly publicIp: string;
  readonly vtepMac: string;
}

/**
 * One line for each route of ours, entry of the overlay device and of the guard's sets, and peer of the status, sorted.
 * Routes of the whole network are left out.
 */
export async function peerState(host: LabHost, way: DirectableWay): Promise<string[]> {
  const { namespace } = host;
  const parts = await Promise.all([
    routeLines(namespace),
    way.name === VXLAN_KERNEL.name ? entryLines(namespace, way.deviceName ?? "") : [],
    guardLines(namespace),
    statusLines(host),
  ]);
  return parts.flat().sort();
}

/** What {@link peerState} is to be, with the leases that etcd holds now. */
export async function wantedPeerState(lab: Lab, host: LabHost, way: DirectableWay): Promise<string[]> {
  const peers = (await storedLeases(lab)).filter(({ publicIp }) => publicIp !== host.underlayIp);
  return peers.flatMap((peer) => wantedLines(peer, way)).sort();
}

/** Lines of the one that the other lacks, the first few of each kind and how many more; both empty when they agree. */
export function difference(
  present: readonly string[],
  wanted: readonly string[],
): { missing: string[]; surplus: string[] } {
  const [has, wants] = [new Set(present), new Set(wanted)];
  return {
    missing: shorten(wanted.filter((line) => !has.has(line))),
    surplus: shorten(present.filter((line) => !wants.has(line))),
  };
}

function shorten(lines: readonly string[]): string[] {
  const kinds = Map.groupBy(lines, (line) => /^guard \w+|^\w+/.exec(line)?.[0] ?? "");
  return [...kinds].flatMap(([kind, all]) => {
    const others = all.length - SHOWN_LINES;
    return others > 0 ? [...all.slice(0, SHOWN_LINES), `${others} more of ${kind}`] : all;
  });
}

function wantedLines({ subnet, publicIp, vtepMac }: StoredLease, way: DirectableWay): string[] {
  const direct = [`route ${subnet} via ${publicIp} dev eth0`, `guard direct_subnets ${subnet}`];
  const known = [`peer ${subnet} ${publicIp}`];
  if (way.name === HOST_GW.name) return [...known, ...direct];
  const guarded = [...known, `guard nodes ${publicIp}`];
  if (way.isDirect === true) return [...guarded, ...direct, `guard direct_nodes ${publicIp}`];
  if (way.name !== VXLAN_KERNEL.name) return guarded;
  const device = way.deviceName ?? "";
  const address = subnet.replace(/\/.*/, "");
  return [
    ...guarded,
    `guard subnets ${subnet}`,
    `route ${subnet} via ${address} dev ${device} onlink`,
    `neighbour ${address} lladdr ${vtepMac} PERMANENT`,
    `fdb ${vtepMac} dst ${publicIp}`,
  ];
}

async function storedLeases(lab: Lab): Promise<StoredLease[]> {
  return [...(await lab.etcd.leases())].map(([key, text]) => {
    const value = JSON.parse(text) as { PublicIP: string; BackendData?: { VtepMAC?: string } };
    const vtepMac = value.BackendData?.VtepMAC ?? "";
    return { subnet: key.replace("-", "/"), publicIp: value.PublicIP, vtepMac };
  });
}

async function routeLines(namespace: Namespace): Promise<string[]> {
  const routes = await readJson<{ dst: string; gateway?: string; dev?: string; flags: string[] }[]>(
    namespace,
    [...["ip", "-j", "route", "show", "proto", "84"]],
  );
  return routes
    .filter(({ dst }) => dst !== WIDE_NETWORK)
    .map(({ dst, gateway, dev, flags }) =>
      ["route", dst, "via", gateway, "dev", dev, ...flags.filter((flag) => flag === "onlink")].join(" "),
    );
}

async function entryLines(namespace: Namespace, device: string): Promise<string[]> {
  const [neighbours, entries] = await Promise.all([
    readJson<{ dst: string; lladdr: string; state: string[] }[]>(namespace, [
      ...["ip", "-j", "-4", "neigh", "show", "dev", device],
    ]),
    readJson<{ mac: string; dst?: string }[]>(namespace, ["bridge", "-j", "fdb", "show", "dev", device]),
  ]);
  return [
    ...neighbours.map(({ dst, lladdr, state }) => `neighbour ${dst} lladdr ${lladdr} ${state.join(" ")}`),
    ...entries.map(({ mac, dst }) => `fdb ${mac} dst ${dst ?? "none"}`),
  ];
}

async function guardLines(namespace: Namespace): Promise<string[]> {
  type Element = string | { readonly prefix: { readonly addr: string; readonly len: number } };
  const { nftables } = await readJson<{
    nftables: { set?: { table: string; name: string; elem?: Element[] } }[];
  }>(namespace, ["nft", "-j", "list", "ruleset"]);
  const textOf = (element: Element): string =>
    typeof element === "string" ? element : `${element.prefix.addr}/${element.prefix.len}`;
  return nftables
    .flatMap(({ set }) => set ?? [])
    .filter(({ table }) => table === GUARD_TABLE)
    .flatMap(({ name, elem = [] }) => elem.map((element) => `guard ${name} ${textOf(element)}`));
}

async function statusLines(host: LabHost): Promise<string[]> {
  return (await host.agent.status()).peers.map(({ subnet, underlayIp }) => `peer ${subnet} ${underlayIp}`);
}

async function readJson<T>(namespace: Namespace, argv: readonly string[]): Promise<T> {
  return JSON.parse(await namespace.execChecked(argv)) as T;
}
