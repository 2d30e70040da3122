import { describe, expect, it } from "vitest";
import { DgramSendQueue, SEND_SLOTS } from "../../../src/datapath/dgram-send-queue.ts";
import type { OnSent, SendSlot } from "../../../src/datapath/dgram-send-queue.ts";
import { createPeerCounterBlock } from "../../../src/datapath/peer-counter-block.ts";
import { createCounterBlock, readCounterBlock } from "../../../src/datapath/packet-counters.ts";

const FRAMING_BYTES = 22;
/** The longest IPv6 packet. */
const PACKET_BYTES = 65_575;

/** A socket whose queue is full: it goes on reading what it was given until the test ends the send. */
function createFullSocket(): {
  queue: DgramSendQueue;
  underWay: { bytes: Buffer; length: number; address: string; onSent: OnSent }[];
  counters: () => Record<string, number>;
} {
  const block = createCounterBlock();
  const underWay: { bytes: Buffer; length: number; address: string; onSent: OnSent }[] = [];
  const queue = new DgramSendQueue(
    (bytes, length, address, onSent) => {
      underWay.push({ bytes, length, address, onSent });
    },
    block,
    FRAMING_BYTES,
  );
  const counters = (): Record<string, number> =>
    Object.fromEntries(Object.entries(readCounterBlock(block)).filter(([, count]) => count !== 0));
  return { queue, underWay, counters };
}

function takeSlot(queue: DgramSendQueue): SendSlot {
  const slot = queue.take();
  if (slot === null) throw new Error("The send queue has no free slot");
  return slot;
}

describe("DgramSendQueue", () => {
  it("never lends the same memory twice at a time, and has an end", () => {
    const { queue, underWay } = createFullSocket();
    for (let i = 0; i < SEND_SLOTS; i++) {
      const slot = takeSlot(queue);
      slot.packetBytes = PACKET_BYTES;
      slot.datagram.fill(i);
      queue.send(slot, "192.0.2.2");
    }
    expect(queue.take()).toBeNull();
    expect(underWay).toHaveLength(SEND_SLOTS);
    underWay.forEach(({ bytes, length }, i) => {
      expect([bytes.length, length]).toEqual([FRAMING_BYTES + PACKET_BYTES, FRAMING_BYTES + PACKET_BYTES]);
      expect(bytes.every((byte) => byte === i)).toBe(true);
    });
  });

  it("sends the packet with the framing in front of it", () => {
    const { queue, underWay } = createFullSocket();
    const slot = takeSlot(queue);
    slot.datagram.fill(0xee);
    slot.packet.write("packet");
    slot.packetBytes = 6;
    queue.send(slot, "192.0.2.2");
    expect(underWay[0]?.bytes.subarray(0, underWay[0].length).toString("latin1")).toBe(
      `${"\xee".repeat(FRAMING_BYTES)}packet`,
    );
  });

  it("lends a slot again when the socket has let go of it, whatever became of the datagram", () => {
    const { queue, underWay } = createFullSocket();
    for (let i = 0; i < SEND_SLOTS; i++) queue.send(takeSlot(queue), "192.0.2.2");
    underWay[5]?.onSent(null);
    expect(queue.take()?.datagram).toBe(underWay[5]?.bytes);
    underWay[9]?.onSent(errorOf("EPERM"));
    expect(queue.take()?.datagram).toBe(underWay[9]?.bytes);
    expect(queue.take()).toBeNull();
  });

  it("counts how each datagram ends", () => {
    const { queue, underWay, counters } = createFullSocket();
    const ends = [null, null, "EAGAIN", "ENOBUFS", "EMSGSIZE", "ECANCELED", "EPERM"];
    const peerCounters = createPeerCounterBlock();
    for (const _ of ends) {
      const slot = takeSlot(queue);
      slot.packetBytes = 100;
      slot.peerCounters = peerCounters;
      queue.send(slot, "192.0.2.2");
    }
    expect(counters()).toEqual({});
    ends.forEach((code, i) => underWay[i]?.onSent(code === null ? null : errorOf(code)));
    expect(counters()).toEqual({
      encapSent: 2,
      encapBytes: 200,
      encapDropSendBusy: 2,
      encapDropSendTooLong: 1,
      encapDropSendFailed: 2,
    });
    expect([...peerCounters]).toEqual([2, 200, 0, 0, 0]);
  });

  it("counts ICMP errors apart", () => {
    const { queue, underWay, counters } = createFullSocket();
    for (const end of [null, errorOf("EPERM")]) {
      const slot = takeSlot(queue);
      slot.peerCounters = null;
      queue.send(slot, "192.0.2.2");
      underWay.at(-1)?.onSent(end);
    }
    expect(counters()).toEqual({ icmpSent: 1, icmpFailed: 1 });
  });

  it("is idle when every slot is back", async () => {
    const { queue, underWay } = createFullSocket();
    await queue.idle();
    queue.send(takeSlot(queue), "192.0.2.2");
    const unsent = takeSlot(queue);
    let isIdle = false;
    const idle = queue.idle().then(() => (isIdle = true));
    underWay[0]?.onSent(null);
    await Promise.resolve();
    expect(isIdle).toBe(false);
    queue.giveBack(unsent);
    await idle;
    expect(isIdle).toBe(true);
  });
});

function errorOf(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code });
}
