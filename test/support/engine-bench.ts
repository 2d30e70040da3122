/** A packet engine between a packet pair, in place of a TUN, and sockets on loopback, in place of other nodes. */
import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import pino from "pino";
import { ForwardingTable } from "../../src/datapath/forwarding-table.ts";
import type { CounterName } from "../../src/datapath/packet-counters.ts";
import type {
  OpenPacketEngine,
  PacketEngine,
  PacketEngineOptions,
} from "../../src/datapath/packet-engine.ts";
import { openPacketPair, readPacket, writePacket } from "../../src/datapath/packet-io.ts";
import { openUnderlaySocket } from "../../src/datapath/underlay-socket.ts";
import { addressOf, prefixOf } from "./ipv4.ts";
import { ENGINE_ADDRESS, OVERLAY_MTU, OWN_SUBNET, PEERS, SENDERS, TUN_ADDRESS } from "./packet-addresses.ts";
import type { Sender } from "./packet-addresses.ts";
import type { Delivery } from "./packet-case.ts";

/** Ends a wait that is in vain; long, because a machine with two cores may be busy with other tests. */
const DEADLINE_MS = 20_000;
const BUFFER_BYTES = 4 * 2 ** 20;
const END_MARK = Buffer.from("no packet starts like this");
const SENDER_NAMES = Object.keys(SENDERS) as Sender[];

/** Waits, one turn of the event loop after the other, until `check` holds. */
export async function until(check: () => boolean, what: () => string): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS;
  while (!check()) {
    if (performance.now() > endMs) throw new Error(`Not within ${DEADLINE_MS} ms: ${what()}`);
    await turn();
  }
}

/** The sockets of the two peers and of a stranger, all on one port. */
export class UnderlayBench {
  readonly port: number;
  readonly #sockets: Readonly<Record<Sender, Socket>>;
  #received: Delivery[] = [];
  #marksSeen = 0;

  static async open(): Promise<UnderlayBench> {
    const first = await bindSocket(SENDERS.peerA, 0);
    const { port } = first.address();
    const [peerB, stranger] = await Promise.all([
      bindSocket(SENDERS.peerB, port),
      bindSocket(SENDERS.stranger, port),
    ]);
    return new UnderlayBench(port, { peerA: first, peerB, stranger });
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
  readonly #packet = Buffer.alloc(65_535);
  #isFarOpen = true;

  /** Without `options.table` the engine knows both peers; with null it is given no table. */
  static async open(
    open: OpenPacketEngine,
    underlay: UnderlayBench,
    options: Partial<Pick<PacketEngineOptions, "sourceCheck">> & {
      readonly table?: ForwardingTable | null;
    } = {},
  ): Promise<EngineBench> {
    await underlay.takeDeliveries();
    const { table = tableOf(PEERS), sourceCheck = "strict" } = options;
    const [tunFd, farFd] = openPacketPair();
    const socketFd = openEngineSocket(underlay.port);
    const engine = await open({ ...engineOptions(underlay.port), tunFd, socketFd, sourceCheck });
    if (table !== null) engine.replaceTable(table);
    return new EngineBench(engine, underlay, farFd);
  }

  private constructor(engine: PacketEngine, underlay: UnderlayBench, farFd: number) {
    this.engine = engine;
    this.#underlay = underlay;
    this.#farFd = farFd;
  }

  /** Puts a packet in where it comes from. False: the TUN takes no more now. */
  put(from: "tun" | Sender, packet: Buffer): boolean {
    if (from === "tun") return writePacket(this.#farFd, packet, 0, packet.length) === packet.length;
    this.#underlay.send(from, packet);
    return true;
  }

  /** What the engine has written to the TUN since the last call. */
  takeFromTun(): Buffer[] {
    const packets: Buffer[] = [];
    for (;;) {
      const bytes = readPacket(this.#farFd, this.#packet, 0, this.#packet.length);
      if (bytes <= 0) return packets;
      packets.push(Buffer.from(this.#packet.subarray(0, bytes)));
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
export function tableOf(
  entries: readonly { readonly subnet: string; readonly underlayIp: string }[],
): ForwardingTable {
  return new ForwardingTable({
    entries: entries.map(({ subnet, underlayIp }) => ({
      subnet: prefixOf(subnet),
      underlayIp: addressOf(underlayIp),
    })),
  });
}

/** Options of an engine, but for its descriptors. */
export function engineOptions(peerPort: number): Omit<PacketEngineOptions, "tunFd" | "socketFd"> {
  return {
    peerPort,
    ownSubnet: prefixOf(OWN_SUBNET),
    tunAddress: addressOf(TUN_ADDRESS),
    overlayMtu: OVERLAY_MTU,
    sourceCheck: "strict",
    log: pino({ level: "silent" }),
  };
}

function openEngineSocket(port: number): number {
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
