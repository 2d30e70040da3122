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
import { errnoName } from "../addon/addon.ts";
import { isHostOf, isOwnHost } from "./address-owner.ts";
import { ANY_VERSION, checkDecap } from "./check-decap.ts";
import { checkEncap } from "./check-encap.ts";
import { DgramSendQueue } from "./dgram-send-queue.ts";
import type { SendDatagram, SendSlot } from "./dgram-send-queue.ts";
import { EMPTY_FORWARDING_TABLE, NO_PEER, refuseMissingMacs } from "./forwarding-table.ts";
import type { ForwardingTable } from "./forwarding-table.ts";
import type { VxlanFraming } from "./framing.ts";
import {
  VXLAN_FRAMING_BYTES,
  announcedVersionOf,
  checkVxlanFraming,
  framingBytesOf,
  requireFraming,
  writeVxlanFraming,
} from "./framing.ts";
import { IcmpAnswers, MAX_ANSWER_BYTES, TIME_EXCEEDED, icmpReasonOf } from "./icmp-answers.ts";
import { MAX_PACKET_BYTES, takeHop, versionOf } from "./inner-packet.ts";
import { COUNTER, addTo, createCounterBlock, readCounterBlock } from "./packet-counters.ts";
import type { CounterIndex, PacketCounters } from "./packet-counters.ts";
import type { PacketEngine, PacketEngineOptions, PeerCounters } from "./packet-engine.ts";
import { EAGAIN, readPacket, writePacket } from "./packet-io.ts";
import { createPacketRules, createPacketVerdict } from "./packet-verdict.ts";
import { PeerCounterBlocks, countDecap, countDecapDropped } from "./peer-counter-block.ts";
import { watchReadable } from "../addon/readable-watch.ts";
import type { ReadableWatch } from "../addon/readable-watch.ts";
import type { OpenTun } from "./tun.ts";
import { QueueDrops, READ_DROPS_INTERVAL_MS, adoptUnderlaySocket } from "./underlay-socket.ts";

/** Packets read from the TUN before sockets and timers get their turn: some 0.5 ms of work. */
const TUN_PACKETS_PER_TURN = 64;

/**
 * Opens the engine on node:dgram. On rejection all descriptors are closed too.
 *
 * It sends and takes one packet per datagram, from the socket's own port, so `offload` has no meaning for it, and
 * `sourcePort: "flow-hash"` is accepted and ignored.
 * @param nowMs time that never goes back, for the rate of ICMP errors
 * @throws {OverlayError} `ERR_SOCKET_FAILED` when a descriptor is not fit for it
 * @throws {RangeError} when the TUN has a virtio-net header or several queues, or two options do not fit each other
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
  readonly name = "dgram";
  readonly #options: PacketEngineOptions;
  readonly #tunFd: number;
  readonly #rules;
  readonly #answers: IcmpAnswers;
  readonly #verdict = createPacketVerdict();
  readonly #counters = createCounterBlock();
  readonly #icmpError = Buffer.alloc(MAX_ANSWER_BYTES);
  readonly #socket: Socket;
  readonly #sendQueue: DgramSendQueue;
  readonly #tunWatch: ReadableWatch;
  readonly #drops: QueueDrops;
  readonly #dropsTimer: NodeJS.Timeout;
  /** Takes the next packet of the TUN; when it is sent another takes its place, so reading never lacks memory. */
  #readSlot: SendSlot;
  #table = EMPTY_FORWARDING_TABLE;
  #peerCounters = new PeerCounterBlocks(EMPTY_FORWARDING_TABLE, null);
  #closed: Promise<void> | null = null;

  constructor(options: PacketEngineOptions, tunFd: number, socket: Socket, nowMs: () => number) {
    this.#options = options;
    this.#tunFd = tunFd;
    this.#rules = createPacketRules(options);
    this.#answers = new IcmpAnswers(options, this.#counters, nowMs);
    this.#socket = socket;
    const send: SendDatagram = (bytes, length, address, onSent) => {
      socket.send(bytes, 0, length, options.peerPort, address, onSent);
    };
    this.#sendQueue = new DgramSendQueue(send, this.#counters, framingBytesOf(options.framing));
    this.#readSlot = this.#takeFirstSlot();
    this.#drops = new QueueDrops(options.socketFd);
    this.#tunWatch = watchReadable(tunFd, (errno) => {
      if (errno === 0) this.#drainTun();
      else this.#stopReading(errno);
    });
    // From here on nothing throws: who opened the engine closes descriptors, and knows of no timer.
    this.#dropsTimer = setInterval(() => this.readCounters(), READ_DROPS_INTERVAL_MS).unref();
    socket.on("message", (datagram, from) => {
      this.#decap(datagram, from);
    });
    socket.on("error", () => {
      addTo(this.#counters, COUNTER.socketErrors, 1); // the socket lives on, and the next datagram may be fine
    });
  }

  /** @throws {RangeError} when the framing is VXLAN and an entry has no `vtepMac`; the old table stays */
  replaceTable(table: ForwardingTable): void {
    if (this.#options.framing.kind === "vxlan") refuseMissingMacs(table);
    this.#peerCounters = new PeerCounterBlocks(table, this.#peerCounters);
    this.#table = table;
  }

  readCounters(): PacketCounters {
    this.#counters[COUNTER.decapDropQueueFull] =
      this.#closed === null ? this.#drops.read() : this.#drops.last;
    return readCounterBlock(this.#counters);
  }

  readPeerCounters(): readonly PeerCounters[] {
    return this.#peerCounters.read();
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#shutDown());
  }

  #drainTun(): void {
    for (let i = 0; i < TUN_PACKETS_PER_TURN; i++) {
      const bytes = readPacket(this.#tunFd, this.#readSlot.packet, 0, MAX_PACKET_BYTES);
      if (bytes === -EAGAIN) return;
      if (bytes <= 0) {
        this.#stopReading(bytes);
        return;
      }
      this.#encap(this.#readSlot, bytes);
    }
  }

  #encap(slot: SendSlot, bytes: number): void {
    const outcome = checkEncap(slot.packet, bytes, this.#rules, this.#table, this.#verdict);
    if (outcome !== COUNTER.encapSent) {
      addTo(this.#counters, outcome, 1);
      this.#answerOwn(outcome, slot.packet);
      return;
    }
    if (this.#verdict.isForeignSource) addTo(this.#counters, COUNTER.encapForeignSource, 1);
    const nextReadSlot = this.#sendQueue.take();
    if (nextReadSlot === null) {
      addTo(this.#counters, COUNTER.encapDropSendBusy, 1);
      return;
    }
    this.#readSlot = nextReadSlot;
    takeHop(slot.packet);
    slot.packetBytes = this.#verdict.length;
    slot.peerCounters = this.#peerCounters.blockOf(this.#verdict.peer);
    this.#send(slot, this.#verdict.peer);
  }

  #send(slot: SendSlot, peer: number): void {
    const { framing } = this.#options;
    if (framing.kind === "vxlan") {
      writeVxlanFraming(slot.datagram, framing, this.#table.vtepMacOf(peer), versionOf(slot.packet));
    }
    this.#sendQueue.send(slot, this.#table.underlayOf(peer));
  }

  #decap(datagram: Buffer, from: RemoteInfo): void {
    const peer = this.#table.peerOfUnderlay(from.address);
    if (peer === NO_PEER) addTo(this.#counters, COUNTER.decapDropStranger, 1);
    else if (this.#options.framing.kind === "bare") this.#decapPacket(datagram, ANY_VERSION, peer);
    else this.#decapFrame(datagram, this.#options.framing, peer);
  }

  #decapFrame(datagram: Buffer, framing: VxlanFraming, peer: number): void {
    const outcome = checkVxlanFraming(datagram, framing);
    if (outcome !== COUNTER.decapDelivered) {
      this.#refuse(outcome, peer);
      return;
    }
    // A view is small beside the buffer and the address that node:dgram made for this datagram.
    this.#decapPacket(datagram.subarray(VXLAN_FRAMING_BYTES), announcedVersionOf(datagram), peer);
  }

  #decapPacket(packet: Buffer, version: number, peer: number): void {
    const outcome = checkDecap(packet, version, peer, this.#rules, this.#table, this.#verdict);
    if (outcome !== COUNTER.decapDelivered) {
      this.#refuse(outcome, peer);
      if (outcome === COUNTER.decapDropTtl) this.#answerPeer(peer, packet);
      return;
    }
    if (this.#verdict.isForeignSource) addTo(this.#counters, COUNTER.decapForeignSource, 1);
    takeHop(packet);
    const written = writePacket(this.#tunFd, packet, 0, this.#verdict.length);
    addTo(this.#counters, written < 0 ? dropOfWrite(written) : COUNTER.decapDelivered, 1);
    if (written <= 0) return;
    addTo(this.#counters, COUNTER.decapBytes, written);
    countDecap(this.#peerCounters.blockOf(peer), written);
  }

  #refuse(outcome: CounterIndex, peer: number): void {
    addTo(this.#counters, outcome, 1);
    countDecapDropped(this.#peerCounters.blockOf(peer));
  }

  /** Tells a sender on this host why its packet was dropped, if that is a reason to be told. */
  #answerOwn(outcome: CounterIndex, packet: Buffer): void {
    const reason = icmpReasonOf(outcome);
    if (reason === null || !isOwnHost(packet, this.#rules)) return;
    if (!this.#answers.mayAnswerOwn(packet)) return;
    const bytes = this.#answers.write(this.#icmpError, packet, reason);
    const written = writePacket(this.#tunFd, this.#icmpError, 0, bytes);
    addTo(this.#counters, written < 0 ? COUNTER.icmpFailed : COUNTER.icmpSent, 1);
  }

  /** Tells a sender behind a peer that its packet's time was up: so traceroute shows this hop. */
  #answerPeer(peer: number, packet: Buffer): void {
    if (!isHostOf(peer, packet, this.#table) || !this.#answers.mayAnswerPeer(packet)) return;
    const slot = this.#sendQueue.take();
    if (slot === null) {
      addTo(this.#counters, COUNTER.icmpFailed, 1);
      return;
    }
    slot.packetBytes = this.#answers.write(slot.packet, packet, TIME_EXCEEDED);
    slot.peerCounters = null;
    this.#send(slot, peer);
  }

  /** The device was deleted: there is nothing more to read, and its owner notices by itself. */
  #stopReading(errno: number): void {
    this.#tunWatch.close();
    addTo(this.#counters, COUNTER.tunReadErrors, 1);
    const reason = errno === 0 ? "EOF" : errnoName(errno);
    this.#options.log.error({ errno: reason }, "Cannot read the TUN, no packets leave this host any more");
  }

  async #shutDown(): Promise<void> {
    clearInterval(this.#dropsTimer);
    this.readCounters(); // while the kernel still counts
    this.#tunWatch.close();
    this.#sendQueue.giveBack(this.#readSlot);
    await new Promise<void>((resolve) => this.#socket.close(resolve));
    await this.#sendQueue.idle();
    closeSync(this.#tunFd);
  }

  #takeFirstSlot(): SendSlot {
    const slot = this.#sendQueue.take();
    if (slot === null) throw new Error("Cannot open the engine: the send queue has no slots");
    return slot;
  }
}

function openEngine(options: PacketEngineOptions, nowMs: () => number): PacketEngine {
  const { tun, socketFd } = options;
  const unclosed = [...tun.fds, socketFd];
  let socket: Socket | null = null;
  try {
    const tunFd = requireBareTun(tun);
    requireFraming(options.framing);
    unclosed.pop(); // the next call takes the socket over, and closes it when it fails
    socket = adoptUnderlaySocket(socketFd);
    return new DgramEngine(options, tunFd, socket, nowMs);
  } catch (err) {
    socket?.close();
    unclosed.forEach((fd) => closeSync(fd));
    throw err;
  }
}

/** The one descriptor of a TUN that this engine can read and write. */
function requireBareTun({ fds, hasVnetHeader }: OpenTun): number {
  const [fd] = fds;
  if (fd === undefined || fds.length !== 1 || hasVnetHeader) {
    const header = hasVnetHeader ? "with a virtio-net header" : "of bare packets";
    throw new RangeError(
      `Cannot open the dgram engine: it takes a TUN of bare packets with one queue, got one ${header} with ${fds.length}`,
    );
  }
  return fd;
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
