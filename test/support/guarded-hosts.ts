/** What tests of the guard need on the hosts of a `BackendNetwork`: kernel vxlan devices, forged datagrams, counters. */
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { createGuardKeeper } from "../../src/kernel/firewall/guard-keeper.ts";
import type { GuardKeeper } from "../../src/kernel/firewall/guard-keeper.ts";
import type { GuardedPeer, GuardRules, GuardedTunnel } from "../../src/kernel/firewall/guard-rules.ts";
import { createNftCommand } from "../../src/kernel/firewall/nft-command.ts";
import type { NftCommand } from "../../src/kernel/firewall/nft-command.ts";
import type { Namespace } from "../../src/lab/machine/namespace.ts";
import { NETWORK } from "./backend-hosts.ts";
import type { BackendHost } from "./backend-hosts.ts";
import { eventually } from "./eventually.ts";
import { frameOf } from "./frames.ts";
import { addressOf, prefixOf } from "./ipv4.ts";
import { recordLog } from "./log-lines.ts";
import { PROTOCOL, packetOf } from "./packets.ts";
import type { PacketFields } from "./packets.ts";

export const VNI = 1;
export const VXLAN_PORT = 8472;
export const DEVICE = `flannel.${VNI}`;
/** Of inner frames; nobody asks whose it is. */
/** The kernel's vxlan. */
const TUNNEL: GuardedTunnel = {
  port: VXLAN_PORT,
  deviceName: DEVICE,
  isInKernel: true,
  isDirectRouting: false,
};
/** The same with DirectRouting. */
export const DIRECT_TUNNEL: GuardedTunnel = { ...TUNNEL, isDirectRouting: true };

export const SENDER_MAC = "02:00:00:00:00:fe";
/** Where inner UDP packets go to; nobody listens. */
export const POD_PORT = 4001;
export const NO_ABORT = new AbortController().signal;
/**
 * flannel's, in short: what pods send out of the overlay has their node's address, and what comes from elsewhere into the
 * overlay that of the overlay device.
 */
export const MASQUERADE = `table ip nat {
  chain postrouting {
    type nat hook postrouting priority srcnat;
    ip saddr ${NETWORK} ip daddr != ${NETWORK} masquerade;
    ip saddr != ${NETWORK} ip daddr ${NETWORK} masquerade;
  }
}
`;
const SENDER = join(import.meta.dirname, "send-datagrams.ts");

/** The `nft` of each namespace, removed on disposal. */
export class NamespacedNft implements AsyncDisposable {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async create(): Promise<NamespacedNft> {
    return new NamespacedNft(await mkdtemp(join(tmpdir(), "twill-nft-")));
  }

  /** An `nft` that works in there, since the real one works in the namespace of whoever runs it. */
  async in(namespace: Namespace): Promise<NftCommand> {
    const command = namespace.command(["nft"]).join(" ");
    return await this.#write(namespace.name, `exec ${command} "$@"`);
  }

  /** The same before nftables 1.0.1, which did not know the egress hook. */
  async withoutEgressIn(namespace: Namespace): Promise<NftCommand> {
    const command = namespace.command(["nft"]).join(" ");
    return await this.#write(
      `${namespace.name}-old`,
      `case $* in *"-f -") ;; *) exec ${command} "$@" ;; esac
script=$(cat)
case $script in *"hook egress"*) echo "Error: unknown chain hook egress" >&2; exit 1 ;; esac
printf '%s\\n' "$script" | ${command} "$@"`,
    );
  }

  async #write(name: string, script: string): Promise<NftCommand> {
    const program = join(this.#directory, name);
    await writeFile(program, `#!/bin/sh\n${script}\n`);
    await chmod(program, 0o755);
    return createNftCommand({ program, deadlineMs: 10_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true });
  }
}

/** MAC of the host's device. */
function vtepMac(host: BackendHost): string {
  return host.underlayIp.replace(/.*\./, "02:00:00:00:00:0"); // hosts have one digit
}

/** First address of the host's subnet: its device's own. */
export function deviceIp(host: BackendHost): string {
  return host.subnet.replace("/24", "");
}

export function podIp(host: BackendHost): string {
  return host.subnet.replace("0/24", "2");
}

/** The kernel's device as flannel makes it, with the way to each peer. */
export async function makeVxlanDevice(host: BackendHost, peers: readonly BackendHost[]): Promise<void> {
  await host.ip(
    `link add ${DEVICE} address ${vtepMac(host)} type vxlan id ${VNI} dstport ${VXLAN_PORT} local ${host.underlayIp} dev eth0 nolearning`,
    `addr add ${deviceIp(host)}/32 dev ${DEVICE}`,
    `link set ${DEVICE} up`,
    ...peers.flatMap((peer) => [
      `neigh add ${deviceIp(peer)} lladdr ${vtepMac(peer)} dev ${DEVICE} nud permanent`,
      `route add ${peer.subnet} via ${deviceIp(peer)} dev ${DEVICE} onlink`,
    ]),
  );
  for (const peer of peers) {
    const fdb = ["append", vtepMac(peer), "dev", DEVICE, "dst", peer.underlayIp, "self", "permanent"];
    await host.namespace.execChecked(["bridge", "fdb", ...fdb]);
  }
}

/** A packet between pods, by default UDP to `POD_PORT`. */
export function podPacket(packet: PacketFields): Buffer {
  const udp = Buffer.from([0x0f, 0xa0, POD_PORT >> 8, POD_PORT % 256, 0, 12, 0, 0, 1, 2, 3, 4]); // without checksum
  return packetOf({ payload: udp, protocol: PROTOCOL.udp, ...packet });
}

/** Payload of a datagram for the host's device: such a packet in VXLAN. */
export function frameTo(host: BackendHost, packet: PacketFields): Buffer {
  const frame = { vni: VNI, destinationMac: vtepMac(host), sourceMac: SENDER_MAC };
  return frameOf(podPacket(packet), frame);
}

export interface Datagrams {
  readonly target: string;
  readonly payload: Buffer;
  readonly count?: number;
  readonly port?: number;
  /** One of the namespace's own addresses. */
  readonly source?: string;
  readonly sourcePort?: number;
}

/** As many as ten by default; ends when the kernel took them. */
export async function sendDatagrams(from: Namespace, datagrams: Datagrams): Promise<void> {
  const { source = "0.0.0.0", sourcePort = 0, target, port = VXLAN_PORT, count = 10, payload } = datagrams;
  const argv = [source, `${sourcePort}`, target, `${port}`, `${count}`, payload.toString("hex")];
  await from.execChecked([process.execPath, SENDER, ...argv]);
}

/** Counts packets before anybody can drop them; reads the count. */
export async function countPackets(namespace: Namespace, match: string): Promise<() => Promise<number>> {
  const chain = `type filter hook prerouting priority -400; ${match} counter`;
  await namespace.execChecked(["nft", "-f", "-"], {
    stdin: `table ip watch { chain seen { ${chain}; }; }\n`,
  });
  return async () => {
    const text = await namespace.execChecked(["nft", "list", "table", "ip", "watch"]);
    return Number(/counter packets (\d+)/.exec(text)?.[1] ?? NaN);
  };
}

/** Frames that the host's device took. */
export async function framesTaken(host: BackendHost): Promise<number> {
  const json = await host.namespace.execChecked(["ip", "-j", "-s", "link", "show", "dev", DEVICE]);
  return (JSON.parse(json) as { stats64: { rx: { packets: number } } }[])[0]?.stats64.rx.packets ?? NaN;
}

/** The guard of one agent in the namespace of `nft`. */
export function keeperOf(nft: NftCommand, network = NETWORK): GuardKeeper {
  return createGuardKeeper({ nft, network: prefixOf(network), log: recordLog().log });
}

export function guarded(host: BackendHost, isDirect = false): GuardedPeer {
  return { subnet: prefixOf(host.subnet), underlayIp: addressOf(host.underlayIp), isDirect };
}

/** The rules of `host` for vxlan. */
export function rulesOf(
  host: BackendHost,
  peers: readonly GuardedPeer[],
  fields: Partial<GuardRules> = {},
): GuardRules {
  return {
    network: prefixOf(NETWORK),
    ownSubnet: prefixOf(host.subnet),
    underlayInterface: "eth0",
    underlayPrefixes: [prefixOf("192.0.2.0/24")],
    tunnel: TUNNEL,
    isSourceChecked: true,
    peers,
    ...fields,
  };
}

/** Waits until the guard has dropped just these, and nothing for another reason. */
export async function expectDrops(
  keeper: GuardKeeper,
  drops: Readonly<Record<string, number>>,
): Promise<void> {
  const none = Object.fromEntries(Object.keys(await keeper.readDrops(NO_ABORT)).map((name) => [name, 0]));
  await eventually(async () => {
    expect(await keeper.readDrops(NO_ABORT)).toEqual({ ...none, ...drops });
  });
}
