/** A packet engine between a packet pair, in place of a TUN, and sockets on loopback, in place of other nodes. */
import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { constants } from "node:os";
import { setImmediate as turn } from "node:timers/promises";
import pino from "pino";
import { ForwardingTable } from "../../src/datapath/forwarding-table.ts";
import type { CounterName } from "../../src/datapath/packet-counters.ts";
import type {
  OpenPacketEngine,
  PacketEngine,
  PacketEngineOptions,
} from "../../src/datapath/packet-engine.ts";
import { MacAddress } from "../../src/net/mac.ts";
import { openPacketPair, readPacket, writePacket } from "../../src/datapath/packet-io.ts";
import type { OpenTun } from "../../src/datapath/tun.ts";
import { openUnderlaySocket } from "../../src/datapath/underlay-socket.ts";
import { addressOf, prefixOf } from "./ipv4.ts";
import { address6Of, prefix6Of } from "./ipv6.ts";
import {
  ENGINE_ADDRESS,
  OVERLAY_MTU,
  OWN_SUBNET,
  OWN_SUBNET6,
  PEERS,
  SENDERS,
  TUN_ADDRESS,
  TUN_ADDRESS6,
  VNI,
  VTEP_MACS,
} from "./packet-addresses.ts";
import type { PeerText, Sender } from "./packet-addresses.ts";
import type { Delivery, PacketCase } from "./packet-case.ts";
import { VNET_HEADER_BYTES, readVnetPackets, withVnetHeader } from "./vnet-reader.ts";

const { ECONNRESET } = constants.errno;
/** Ends a wait that is in vain; long, because a machine with two cores may be busy with other tests. */
const DEADLINE_MS = 20_000;
const BUFFER_BYTES = 4 * 2 ** 20;
/** The longest packet of either family, with a virtio-net header. */
const MAX_WRITE_BYTES = VNET_HEADER_BYTES + 40 + 65_535;
const END_MARK = Buffer.from("no packet starts like this");
const SENDER_NAMES = Object.keys(SENDERS) as Sender[];

/** An implementation of the interface, and the kind of TUN it is given here. */
export interface EngineUnderTest {
  readonly name: string;
  readonly open: OpenPacketEngine;
  /** `vnet`: with a virtio-net header in front of each packet. The bench hides it. */
  readonly tun: "bare" | "vnet";
}

/** Which of its ways an engine is opened for; with no table it knows the {@link PEERS}, with null nobody. */
export type BenchOptions = Pick<PacketCase, "sourceCheck" | "framing" | "hasIpv6"> & {
  readonly table?: ForwardingTable | null;
};

/** Waits, one turn of the event loop after the other, until `check` holds. */
export async function until(check: () => boolean, what: () => string): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS;
  while (!check()) {
    if (performance.now() > endMs) throw new Error(`Not within ${DEADLINE_MS} ms: ${what()}`);
    await turn();
  }
}

/** The sockets of the peers and of a stranger, all on one port. */
export class UnderlayBench {
  readonly port: number;
  readonly #sockets: Readonly<Record<Sender, Socket>>;
  #received: Delivery[] = [];
  #marksSeen = 0;

  static async open(): Promise<UnderlayBench> {
    const peerA = await bindSocket(SENDERS.peerA, 0);
    const { port } = peerA.address();
    const [peerB, peerC, stranger] = await Promise.all([
      bindSocket(SENDERS.peerB, port),
      bindSocket(SENDERS.peerC, port),
      bindSocket(SENDERS.stranger, port),
    ]);
    return new UnderlayBench(port, { peerA, peerB, peerC, stranger });
  }

  private constructor(port: number, sockets: Readonly<Record<Sender, Socket>>) {
    this.port = port;
    this.#sockets = sockets;
    for (const to of SENDER_NAMES) {
      sockets[to].on("message", (packet) => {
        if (packet.equals(END_MARK)) this.#marksSeen += 1;
        else this.#received.push({ to, packet });
      });
    }
  }

  send(from: Sender, packet: Buffer): void {
    this.#sockets[from].send(packet, this.port, ENGINE_ADDRESS);
  }

  /** What arrived since the last call. A mark sent to each socket now comes after all that was sent before. */
  async takeDeliveries(): Promise<Delivery[]> {
    const wanted = this.#marksSeen + SENDER_NAMES.length;
    for (const name of SENDER_NAMES) this.#sockets.stranger.send(END_MARK, this.port, SENDERS[name]);
    await until(
      () => this.#marksSeen === wanted,
      () => `${this.#marksSeen} of ${wanted} marks`,
    );
    const received = this.#received;
    this.#received = [];
    return received;
  }

  async close(): Promise<void> {
    await Promise.all(
      SENDER_NAMES.map((name) => new Promise<void>((resolve) => this.#sockets[name].close(resolve))),
    );
  }
}

/** An open engine with the far end of its TUN, and no deliveries of an earlier one. */
export class EngineBench {
  readonly engine: PacketEngine;
  readonly #underlay: UnderlayBench;
  readonly #farFd: number;
  readonly #hasVnetHeader: boolean;
  readonly #written = Buffer.alloc(MAX_WRITE_BYTES);
  #isFarOpen = true;

  static async open(
    { open, tun }: EngineUnderTest,
    underlay: UnderlayBench,
    options: BenchOptions = {},
  ): Promise<EngineBench> {
    await underlay.takeDeliveries();
    const { table = tableOf(PEERS) } = options;
    const [tunFd, farFd] = openPacketPair();
    const socketFd = openEngineSocket(underlay.port);
    const engine = await open({
      ...engineOptions(underlay.port, options),
      tun: tunOf(tun, [tunFd]),
      socketFd,
    });
    if (table !== null) engine.replaceTable(table);
    return new EngineBench(engine, underlay, farFd, tun === "vnet");
  }

  private constructor(engine: PacketEngine, underlay: UnderlayBench, farFd: number, hasVnetHeader: boolean) {
    this.engine = engine;
    this.#underlay = underlay;
    this.#farFd = farFd;
    this.#hasVnetHeader = hasVnetHeader;
  }

  /** Puts a packet in where it comes from; one that is not taken would be missed for no fault of the engine. */
  put(from: "tun" | Sender, packet: Buffer): void {
    if (!this.tryPut(from, packet)) throw new Error("The TUN takes no more");
  }

  /** Puts a packet in. False: the TUN takes no more until the engine has read some. */
  tryPut(from: "tun" | Sender, packet: Buffer): boolean {
    if (from === "tun") {
      const bytes = this.#hasVnetHeader ? withVnetHeader(packet) : packet;
      return writePacket(this.#farFd, bytes, 0, bytes.length) === bytes.length;
    }
    this.#underlay.send(from, packet);
    return true;
  }

  /** Puts in what the kernel would hand over in one read of a TUN with a virtio-net header: that, and a packet. */
  putRun(run: Buffer): void {
    if (writePacket(this.#farFd, run, 0, run.length) !== run.length) throw new Error("The TUN takes no more");
  }

  /** The packets that the engine has written to the TUN since the last call, cut where it wrote several as one. */
  takeFromTun(): Buffer[] {
    const packets: Buffer[] = [];
    for (;;) {
      const bytes = readPacket(this.#farFd, this.#written, 0, MAX_WRITE_BYTES);
      if (bytes === -ECONNRESET) continue; // once, when the engine was closed with packets unread; ours come after it
      if (bytes <= 0) return packets;
      const written = Buffer.from(this.#written.subarray(0, bytes));
      packets.push(...(this.#hasVnetHeader ? readVnetPackets(written) : [written]));
    }
  }

  /** Counters that are not zero. */
  counters(): Partial<Record<CounterName, number>> {
    return Object.fromEntries(Object.entries(this.engine.readCounters()).filter(([, count]) => count !== 0));
  }

  /** Waits until these counters have at least these values. */
  async untilCounted(least: Partial<Record<CounterName, number>>): Promise<void> {
    const wanted = Object.entries(least);
    const isReached = (): boolean => {
      const counters: Readonly<Record<string, number>> = this.engine.readCounters();
      return wanted.every(([name, count]) => (counters[name] ?? 0) >= count);
    };
    await until(isReached, () => `${JSON.stringify(least)}, but ${JSON.stringify(this.counters())}`);
  }

  /** Closes the engine, and gives everything that came out of it since the last look. */
  async closeAndCollect(): Promise<Delivery[]> {
    await this.engine.close();
    const fromTun = this.takeFromTun().map((packet): Delivery => ({ to: "tun", packet }));
    return [...fromTun, ...(await this.#underlay.takeDeliveries())];
  }

  /** Closes the far end of the TUN alone. */
  closeFarEnd(): void {
    if (this.#isFarOpen) closeSync(this.#farFd);
    this.#isFarOpen = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.close();
    this.closeFarEnd();
  }
}

/** A table of entries given as text. */
export function tableOf(peers: readonly PeerText[]): ForwardingTable {
  return new ForwardingTable({
    entries: peers.map(({ subnet, subnet6, underlayIp, vtepMac }) => ({
      subnet: prefixOf(subnet),
      subnet6: subnet6 === undefined ? null : prefix6Of(subnet6),
      underlayIp: addressOf(underlayIp),
      vtepMac: vtepMac === undefined ? null : macOf(vtepMac),
    })),
  });
}

/** Descriptors of a packet pair, as an engine takes them for a TUN. */
export function tunOf(kind: EngineUnderTest["tun"], fds: readonly number[]): OpenTun {
  return { fds, hasVnetHeader: kind === "vnet", takesUdpRuns: kind === "vnet" };
}

/** Options of an engine, but for its descriptors. */
export function engineOptions(
  peerPort: number,
  { sourceCheck = "strict", framing = "bare", hasIpv6 = false }: BenchOptions = {},
): Omit<PacketEngineOptions, "tun" | "socketFd"> {
  return {
    peerPort,
    framing:
      framing === "bare" ? { kind: "bare" } : { kind: "vxlan", vni: VNI, ownMac: macOf(VTEP_MACS.own) },
    ownSubnet: prefixOf(OWN_SUBNET),
    ownSubnet6: hasIpv6 ? prefix6Of(OWN_SUBNET6) : null,
    tunAddress: addressOf(TUN_ADDRESS),
    tunAddress6: hasIpv6 ? address6Of(TUN_ADDRESS6) : null,
    overlayMtu: OVERLAY_MTU,
    sourceCheck,
    offload: "auto",
    sourcePort: "fixed",
    log: pino({ level: "silent" }),
  };
}

function macOf(text: string): MacAddress {
  const mac = MacAddress.parse(text);
  if (mac === null) throw new RangeError(`Not a MAC address: ${text}`);
  return mac;
}

/** A socket as an engine takes it. */
export function openEngineSocket(port: number): number {
  const address = addressOf(ENGINE_ADDRESS);
  return openUnderlaySocket({
    address,
    port,
    receiveBufferBytes: BUFFER_BYTES,
    sendBufferBytes: BUFFER_BYTES,
  });
}

async function bindSocket(address: string, port: number): Promise<Socket> {
  const socket = createSocket({ type: "udp4", recvBufferSize: BUFFER_BYTES });
  const listening = once(socket, "listening");
  socket.bind(port, address);
  await listening;
  return socket;
}
