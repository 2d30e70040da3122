/** Datagrams on their way to peers: the memory they lie in, how many may wait, and how each one ended. */
import { MAX_PACKET_BYTES } from "./inner-packet.ts";
import { COUNTER, addTo } from "./packet-counters.ts";
import type { CounterBlock, CounterIndex } from "./packet-counters.ts";
import { countEncap } from "./peer-counter-block.ts";
import type { PeerCounterBlock } from "./peer-counter-block.ts";

/**
 * Datagrams that may wait for the socket, 64 KiB of address space each (8 MiB; only touched pages take memory).
 * One turn of the event loop sends up to `TUN_PACKETS_PER_TURN` and hears of their ends after it, so less than
 * that would drop without need; more would only add delay behind the socket's own queue.
 */
export const SEND_SLOTS = 128;

/** How a send ended: null, or why the kernel refused it. */
export type OnSent = (err: NodeJS.ErrnoException | null) => void;

/** Hands bytes to the socket, which reads them until it calls `onSent`: at once, or when its queue has room. */
export type SendDatagram = (bytes: Buffer, length: number, address: string, onSent: OnSent) => void;

/** Memory for one datagram. Whoever takes it fills it, and sends it or gives it back. */
export interface SendSlot {
  /** Framing, then room for the longest packet. */
  readonly datagram: Buffer;
  /** The same memory from the packet on. */
  readonly packet: Buffer;
  /** Length of the packet, without the framing. */
  packetBytes: number;
  /** Counters of the peer it goes to; null for an ICMP error of ours, which is not somebody's packet. */
  peerCounters: PeerCounterBlock | null;
  readonly onSent: OnSent;
}

/**
 * The way from slots to the socket. node:dgram reads a buffer until it calls back, which is later when the
 * kernel's queue is full; so a slot is filled again only after that. Every datagram ends in one counter.
 */
export class DgramSendQueue {
  readonly #sendDatagram: SendDatagram;
  readonly #counters: CounterBlock;
  readonly #framingBytes: number;
  readonly #free: SendSlot[];
  #whenIdle: (() => void) | null = null;

  /** @param framingBytes room in front of each packet */
  constructor(sendDatagram: SendDatagram, counters: CounterBlock, framingBytes: number) {
    this.#sendDatagram = sendDatagram;
    this.#counters = counters;
    this.#framingBytes = framingBytes;
    const memory = Buffer.alloc(SEND_SLOTS * (framingBytes + MAX_PACKET_BYTES));
    this.#free = Array.from({ length: SEND_SLOTS }, (_, i) => this.#createSlot(memory, i));
  }

  /** A free slot, or null when all are in use. */
  take(): SendSlot | null {
    return this.#free.pop() ?? null;
  }

  /** Ends the use of a slot that was taken and is not sent. */
  giveBack(slot: SendSlot): void {
    this.#free.push(slot);
    if (this.#free.length === SEND_SLOTS) this.#whenIdle?.();
  }

  /** Sends framing and packet to an address in dotted decimal, counts how that ends, gives the slot back. */
  send(slot: SendSlot, address: string): void {
    this.#sendDatagram(slot.datagram, this.#framingBytes + slot.packetBytes, address, slot.onSent);
  }

  /** Resolves when every slot has been given back. */
  idle(): Promise<void> {
    if (this.#free.length === SEND_SLOTS) return Promise.resolve();
    return new Promise((resolve) => (this.#whenIdle = resolve));
  }

  #createSlot(memory: Buffer, index: number): SendSlot {
    const slotBytes = this.#framingBytes + MAX_PACKET_BYTES;
    const datagram = memory.subarray(index * slotBytes, (index + 1) * slotBytes);
    const slot: SendSlot = {
      datagram,
      packet: datagram.subarray(this.#framingBytes),
      packetBytes: 0,
      peerCounters: null,
      onSent: (err) => {
        this.#count(slot, err);
        this.giveBack(slot);
      },
    };
    return slot;
  }

  #count(slot: SendSlot, err: NodeJS.ErrnoException | null): void {
    if (slot.peerCounters === null) {
      addTo(this.#counters, err === null ? COUNTER.icmpSent : COUNTER.icmpFailed, 1);
    } else if (err === null) {
      addTo(this.#counters, COUNTER.encapSent, 1);
      addTo(this.#counters, COUNTER.encapBytes, slot.packetBytes);
      countEncap(slot.peerCounters, slot.packetBytes);
    } else {
      addTo(this.#counters, dropOf(err), 1);
    }
  }
}

function dropOf(err: NodeJS.ErrnoException): CounterIndex {
  switch (err.code) {
    case "EAGAIN":
    case "ENOBUFS":
      return COUNTER.encapDropSendBusy;
    case "EMSGSIZE":
      return COUNTER.encapDropSendTooLong;
    default:
      return COUNTER.encapDropSendFailed;
  }
}
