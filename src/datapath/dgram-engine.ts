/**
 * The packet engine on node:dgram: the readable reference, and the fallback where there is no native engine.
 *
 * One packet at a time, all on the event loop. The TUN is read in bounded turns and libuv takes 32 datagrams at
 * most between two, so neither direction starves the other, nor stop, nor a new table. Our part allocates nothing
 * for a packet; node:dgram makes a buffer and an address object for each datagram received, and a request and a
 * callback for each one sent, which is most of what a packet costs here.
 */
import type { RemoteInfo, Socket } from "node:dgram";
import { closeSync } from "node:fs";
import { constants } from "node:os";
import { errnoName } from "./addon.ts";
import { checkDecap } from "./check-decap.ts";
import { checkEncap } from "./check-encap.ts";
import { DgramSendQueue } from "./dgram-send-queue.ts";
import type { SendSlot } from "./dgram-send-queue.ts";
import { EMPTY_FORWARDING_TABLE } from "./forwarding-table.ts";
import type { ForwardingTable } from "./forwarding-table.ts";
import * as icmp from "./icmp-error.ts";
import { IcmpRateLimit } from "./icmp-rate-limit.ts";
import { MAX_PACKET_BYTES, sourceOf, takeHop } from "./ipv4-header.ts";
import { COUNTER, addTo, createCounterBlock, readCounterBlock } from "./packet-counters.ts";
import type { CounterIndex, PacketCounters } from "./packet-counters.ts";
import type { PacketEngine, PacketEngineOptions } from "./packet-engine.ts";
import { EAGAIN, readPacket, writePacket } from "./packet-io.ts";
import { createPacketRules, createPacketVerdict, isOwnAddress } from "./packet-verdict.ts";
import { watchReadable } from "./readable-watch.ts";
import type { ReadableWatch } from "./readable-watch.ts";
import { adoptUnderlaySocket } from "./underlay-socket.ts";

/** Packets read from the TUN before sockets and timers get their turn: some 0.5 ms of work. */
const TUN_PACKETS_PER_TURN = 64;

/**
 * Opens the engine on node:dgram. On rejection both descriptors are closed too.
 * @param nowMs time that never goes back, for the rate of ICMP errors
 * @throws {OverlayError} `ERR_SOCKET_FAILED` when a descriptor is not fit for it
 */
export function openDgramEngine(
  options: PacketEngineOptions,
  nowMs: () => number = () => performance.now(),
): Promise<PacketEngine> {
  return new Promise((resolve) => {
    resolve(openEngine(options, nowMs));
  });
}

class DgramEngine implements PacketEngine {
  readonly #options: PacketEngineOptions;
  readonly #nowMs: () => number;
  readonly #rules;
  readonly #verdict = createPacketVerdict();
  readonly #counters = createCounterBlock();
  /** Two, so that what comes from peers cannot use up the errors that senders on this host get. */
  readonly #ownErrorLimit = new IcmpRateLimit();
  readonly #peerErrorLimit = new IcmpRateLimit();
  readonly #icmpError = Buffer.alloc(icmp.MAX_ICMP_ERROR_BYTES);
  readonly #socket: Socket;
  readonly #sendQueue: DgramSendQueue;
  readonly #tunWatch: ReadableWatch;
  /** Takes the next packet of the TUN; when it is sent another takes its place, so reading never lacks memory. */
  #readSlot: SendSlot;
  #table = EMPTY_FORWARDING_TABLE;
  #closed: Promise<void> | null = null;

  constructor(options: PacketEngineOptions, socket: Socket, nowMs: () => number) {
    this.#options = options;
    this.#nowMs = nowMs;
    this.#rules = createPacketRules(options);
    this.#socket = socket;
    this.#sendQueue = new DgramSendQueue((bytes, length, address, onSent) => {
      socket.send(bytes, 0, length, options.peerPort, address, onSent);
    }, this.#counters);
    this.#readSlot = this.#takeFirstSlot();
    this.#tunWatch = watchReadable(options.tunFd, (errno) => {
      if (errno === 0) this.#drainTun();
      else this.#stopReading(errno);
    });
    socket.on("message", (datagram, from) => {
      this.#decap(datagram, from);
    });
    socket.on("error", () => {
      addTo(this.#counters, COUNTER.socketErrors, 1); // the socket lives on, and the next datagram may be fine
    });
  }

  replaceTable(table: ForwardingTable): void {
    this.#table = table;
  }

  readCounters(): PacketCounters {
    return readCounterBlock(this.#counters);
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#shutDown());
  }

  #drainTun(): void {
    for (let i = 0; i < TUN_PACKETS_PER_TURN; i++) {
      const bytes = readPacket(this.#options.tunFd, this.#readSlot.bytes, 0, MAX_PACKET_BYTES);
      if (bytes === -EAGAIN) return;
      if (bytes <= 0) {
        this.#stopReading(bytes);
        return;
      }
      this.#encap(this.#readSlot, bytes);
    }
  }

  #encap(slot: SendSlot, bytes: number): void {
    const outcome = checkEncap(slot.bytes, bytes, this.#rules, this.#table, this.#verdict);
    if (outcome !== COUNTER.encapSent) {
      addTo(this.#counters, outcome, 1);
      this.#answerOwn(outcome, slot.bytes);
      return;
    }
    if (this.#verdict.isForeignSource) addTo(this.#counters, COUNTER.encapForeignSource, 1);
    const nextReadSlot = this.#sendQueue.take();
    if (nextReadSlot === null) {
      addTo(this.#counters, COUNTER.encapDropSendBusy, 1);
      return;
    }
    this.#readSlot = nextReadSlot;
    takeHop(slot.bytes);
    slot.length = this.#verdict.length;
    slot.isIcmpError = false;
    this.#sendQueue.send(slot, this.#table.underlayOf(this.#verdict.peer));
  }

  #decap(datagram: Buffer, from: RemoteInfo): void {
    const peer = this.#table.peerOfUnderlay(from.address);
    const outcome = checkDecap(datagram, peer, this.#rules, this.#table, this.#verdict);
    if (outcome !== COUNTER.decapDelivered) {
      addTo(this.#counters, outcome, 1);
      if (outcome === COUNTER.decapDropTtl) this.#answerPeer(peer, datagram);
      return;
    }
    if (this.#verdict.isForeignSource) addTo(this.#counters, COUNTER.decapForeignSource, 1);
    takeHop(datagram);
    const written = writePacket(this.#options.tunFd, datagram, 0, this.#verdict.length);
    addTo(this.#counters, written < 0 ? dropOfWrite(written) : COUNTER.decapDelivered, 1);
    if (written > 0) addTo(this.#counters, COUNTER.decapBytes, written);
  }

  /** Tells a sender on this host why its packet was dropped, if that is a reason to be told. */
  #answerOwn(outcome: CounterIndex, packet: Buffer): void {
    const reason = icmpReasonOf(outcome);
    if (reason === null) return;
    const source = sourceOf(packet);
    if (!isOwnAddress(this.#rules, source) || source === this.#rules.ownLast) return; // the last one is broadcast
    if (!this.#mayAnswer(packet, this.#ownErrorLimit)) return;
    const bytes = this.#writeIcmpError(this.#icmpError, packet, reason);
    const written = writePacket(this.#options.tunFd, this.#icmpError, 0, bytes);
    addTo(this.#counters, written < 0 ? COUNTER.icmpFailed : COUNTER.icmpSent, 1);
  }

  /** Tells a sender behind a peer that its packet's time was up: so traceroute shows this hop. */
  #answerPeer(peer: number, packet: Buffer): void {
    if (!this.#table.isHostOf(peer, sourceOf(packet))) return;
    if (!this.#mayAnswer(packet, this.#peerErrorLimit)) return;
    const slot = this.#sendQueue.take();
    if (slot === null) {
      addTo(this.#counters, COUNTER.icmpFailed, 1);
      return;
    }
    slot.length = this.#writeIcmpError(slot.bytes, packet, icmp.TIME_EXCEEDED);
    slot.isIcmpError = true;
    this.#sendQueue.send(slot, this.#table.underlayOf(peer));
  }

  /** True counts as an answer given. */
  #mayAnswer(offender: Buffer, limit: IcmpRateLimit): boolean {
    if (!icmp.mayAnswer(offender)) return false;
    if (limit.allow(sourceOf(offender), this.#nowMs())) return true;
    addTo(this.#counters, COUNTER.icmpRateLimited, 1);
    return false;
  }

  /** Returns the length of the error. */
  #writeIcmpError(out: Buffer, offender: Buffer, reason: icmp.IcmpReason): number {
    const nextHopMtu = reason === icmp.FRAGMENTATION_NEEDED ? this.#options.overlayMtu : 0;
    return icmp.writeIcmpError(out, offender, reason, this.#options.tunAddress.value, nextHopMtu);
  }

  /** The device was deleted: there is nothing more to read, and its owner notices by itself. */
  #stopReading(errno: number): void {
    this.#tunWatch.close();
    addTo(this.#counters, COUNTER.tunReadErrors, 1);
    const reason = errno === 0 ? "EOF" : errnoName(errno);
    this.#options.log.error({ errno: reason }, "Cannot read the TUN, no packets leave this host any more");
  }

  async #shutDown(): Promise<void> {
    this.#tunWatch.close();
    this.#sendQueue.giveBack(this.#readSlot);
    await new Promise<void>((resolve) => this.#socket.close(resolve));
    await this.#sendQueue.idle();
    closeSync(this.#options.tunFd);
  }

  #takeFirstSlot(): SendSlot {
    const slot = this.#sendQueue.take();
    if (slot === null) throw new Error("Cannot open the engine: the send queue has no slots");
    return slot;
  }
}

function openEngine(options: PacketEngineOptions, nowMs: () => number): PacketEngine {
  let socket: Socket | null = null;
  try {
    socket = adoptUnderlaySocket(options.socketFd);
    return new DgramEngine(options, socket, nowMs);
  } catch (err) {
    socket?.close();
    closeSync(options.tunFd);
    throw err;
  }
}

function icmpReasonOf(outcome: CounterIndex): icmp.IcmpReason | null {
  switch (outcome) {
    case COUNTER.encapDropTtl:
      return icmp.TIME_EXCEEDED;
    case COUNTER.encapDropNoPeer:
      return icmp.NET_UNREACHABLE;
    case COUNTER.encapDropDontFragment:
      return icmp.FRAGMENTATION_NEEDED;
    default:
      return null;
  }
}

function dropOfWrite(errno: number): CounterIndex {
  switch (-errno) {
    case EAGAIN:
      return COUNTER.decapDropWriteBusy;
    case constants.errno.EIO:
      return COUNTER.decapDropDeviceDown;
    case constants.errno.EINVAL:
      return COUNTER.decapDropWriteRefused;
    default:
      return COUNTER.decapDropWriteFailed;
  }
}
