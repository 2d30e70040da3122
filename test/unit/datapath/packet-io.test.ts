import { closeSync } from "node:fs";
import { constants } from "node:os";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EAGAIN, openPacketPair, readPacket, writePacket } from "../../../src/datapath/packet-io.ts";
import { countDescriptors } from "../../support/process-resources.ts";

const { EBADF, EPIPE } = constants.errno;
const BUFFER_BYTES = 16; // more than any packet here
let near: number;
let far: number;

beforeEach(() => ([near, far] = openPacketPair()));
afterEach(() => {
  closeSync(near);
  closeSync(far);
});

/** The next packet as text, or what kept it back. */
function readText(fd: number): string | number {
  const buffer = Buffer.alloc(BUFFER_BYTES);
  const length = readPacket(fd, buffer, 0, BUFFER_BYTES);
  return length > 0 ? buffer.toString("latin1", 0, length) : length;
}

describe("openPacketPair", () => {
  it("gives two ends that carry packets both ways", () => {
    const buffer = Buffer.from("ping");
    expect(writePacket(near, buffer, 0, 4)).toBe(4);
    expect(readText(far)).toBe("ping");
    expect(writePacket(far, buffer, 0, 4)).toBe(4);
    expect(readText(near)).toBe("ping");
  });

  it("tells at one end that the other is closed", () => {
    const [one, other] = openPacketPair();
    closeSync(other);
    expect(readText(one)).toBe(0);
    expect(writePacket(one, Buffer.alloc(1), 0, 1)).toBe(-EPIPE);
    closeSync(one);
  });

  it("leaves no descriptor after 10,000 opens and closes", () => {
    const before = countDescriptors();
    for (let i = 0; i < 10_000; i++) openPacketPair().forEach((fd) => closeSync(fd));
    expect(countDescriptors()).toBe(before);
  });
});

describe("readPacket", () => {
  it("reads one packet into the middle of a buffer and touches nothing around it", () => {
    writePacket(near, Buffer.from("abc"), 0, 3);
    const buffer = Buffer.alloc(8, ".");
    expect(readPacket(far, buffer, 2, 4)).toBe(3);
    expect(buffer.toString()).toBe("..abc...");
  });

  it("cuts a packet that is longer than the length and drops the rest", () => {
    writePacket(near, Buffer.from("abcdef"), 0, 6);
    const buffer = Buffer.alloc(8, ".");
    expect(readPacket(far, buffer, 0, 4)).toBe(4);
    expect(buffer.toString()).toBe("abcd....");
    expect(readPacket(far, buffer, 0, 4)).toBe(-EAGAIN);
  });

  it("reads what is there, in order, and says EAGAIN when there is nothing", () => {
    expect(readText(far)).toBe(-EAGAIN);
    for (const text of ["one", "two"]) writePacket(near, Buffer.from(text), 0, text.length);
    expect([readText(far), readText(far), readText(far)]).toEqual(["one", "two", -EAGAIN]);
  });

  it("says EBADF for a closed descriptor", () => {
    const [one, other] = openPacketPair();
    closeSync(one);
    closeSync(other);
    expect(readPacket(one, Buffer.alloc(4), 0, 4)).toBe(-EBADF);
  });
});

describe("writePacket", () => {
  it("writes a range of a view into a larger buffer", () => {
    const view = Buffer.from("0123456789").subarray(2);
    expect(writePacket(near, view, 1, 3)).toBe(3);
    expect(readText(far)).toBe("345");
  });

  it("says EAGAIN when the queue is full, and loses nothing that it took", () => {
    const buffer = Buffer.alloc(BUFFER_BYTES);
    let written = 0;
    while (writePacket(near, buffer, 0, BUFFER_BYTES) === BUFFER_BYTES) written++;
    expect(writePacket(near, buffer, 0, BUFFER_BYTES)).toBe(-EAGAIN);
    let read = 0;
    while (readPacket(far, buffer, 0, BUFFER_BYTES) === BUFFER_BYTES) read++;
    expect(read).toBe(written);
  });
});
