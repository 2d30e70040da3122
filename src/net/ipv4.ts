/** IPv4 addresses and prefixes as values. Numbers are in host order, 0 to 2^32 - 1. */
import { isIPv4 } from "node:net";

const PREFIX_TEXT = /^([0-9.]+)\/(0|[1-9][0-9]?)$/;
const MAX_ADDRESS = 0xffffffff;
const ADDRESS_BITS = 32;

/** Number of addresses in a prefix of this length. */
export function ipv4SizeOf(length: number): number {
  return 2 ** (ADDRESS_BITS - length);
}

/** An IPv4 address. Compare with `equals`, or use `value` as a map key. */
export class Ipv4Address {
  readonly value: number;

  /** @throws {RangeError} when `value` is not an integer from 0 to 2^32 - 1 */
  constructor(value: number) {
    if (!Number.isInteger(value) || value < 0 || value > MAX_ADDRESS) {
      throw new RangeError(`Cannot make an IPv4 address of ${value}: need an integer from 0 to 2^32 - 1`);
    }
    this.value = value;
  }

  /** Reads dotted decimal, or gives null. Refuses leading zeros, blanks and missing parts. */
  static parse(text: string): Ipv4Address | null {
    if (!isIPv4(text)) return null;
    let value = 0;
    for (const part of text.split(".")) value = value * 256 + Number(part);
    return new Ipv4Address(value);
  }

  equals(other: Ipv4Address): boolean {
    return this.value === other.value;
  }

  /** The address `count` further on. @throws {RangeError} past either end of the address space */
  plus(count: number): Ipv4Address {
    return new Ipv4Address(this.value + count);
  }

  /** 127.0.0.0/8 (RFC 1122 section 3.2.1.3). */
  get isLoopback(): boolean {
    return this.value >>> 24 === 127;
  }

  /** 169.254.0.0/16 (RFC 3927). */
  get isLinkLocal(): boolean {
    return this.value >>> 16 === 0xa9fe;
  }

  /** 224.0.0.0/4 (RFC 5771). */
  get isMulticast(): boolean {
    return this.value >>> 28 === 0xe;
  }

  /** Can name one host of a network: not "this network", loopback, multicast, class E or broadcast. */
  get isUnicast(): boolean {
    const first = this.value >>> 24;
    return first !== 0 && first !== 127 && first < 224;
  }

  toString(): string {
    const v = this.value;
    return `${v >>> 24}.${(v >>> 16) & 255}.${(v >>> 8) & 255}.${v & 255}`;
  }

  toJSON(): string {
    return this.toString();
  }
}

/** An IPv4 prefix: `address` has no bits set past `length`. */
export class Ipv4Prefix {
  readonly address: Ipv4Address;
  readonly length: number;
  /** Made when it is first asked for: a thousand peers are told apart by it, many times a second. */
  #text: string | null = null;

  /** @throws {RangeError} when `length` is not 0 to 32 or `address` has host bits set */
  constructor(address: Ipv4Address, length: number) {
    if (!Number.isInteger(length) || length < 0 || length > ADDRESS_BITS) {
      throw new RangeError(`Cannot make an IPv4 prefix: length must be 0 to ${ADDRESS_BITS}, got ${length}`);
    }
    if (address.value % ipv4SizeOf(length) !== 0) {
      throw new RangeError(`Cannot make an IPv4 prefix: ${address.toString()} has host bits past /${length}`);
    }
    this.address = address;
    this.length = length;
  }

  /** Reads `a.b.c.d/len` whose host bits are zero, or gives null. */
  static parse(text: string): Ipv4Prefix | null {
    const parts = parseAddressAndLength(text);
    if (parts === null || parts.address.value % ipv4SizeOf(parts.length) !== 0) return null;
    return new Ipv4Prefix(parts.address, parts.length);
  }

  /** Reads `a.b.c.d/len` and clears the host bits, or gives null. */
  static parseContaining(text: string): Ipv4Prefix | null {
    const parts = parseAddressAndLength(text);
    return parts === null ? null : Ipv4Prefix.containing(parts.address, parts.length);
  }

  /** The prefix of this length that holds `address`. */
  static containing(address: Ipv4Address, length: number): Ipv4Prefix {
    return new Ipv4Prefix(new Ipv4Address(address.value - (address.value % ipv4SizeOf(length))), length);
  }

  /** Number of addresses. */
  get size(): number {
    return ipv4SizeOf(this.length);
  }

  /** Last address of the prefix (its directed broadcast, where it has one). */
  get last(): Ipv4Address {
    return new Ipv4Address(this.address.value + this.size - 1);
  }

  contains(address: Ipv4Address): boolean {
    const offset = address.value - this.address.value;
    return offset >= 0 && offset < this.size;
  }

  containsPrefix(other: Ipv4Prefix): boolean {
    return other.length >= this.length && this.contains(other.address);
  }

  overlaps(other: Ipv4Prefix): boolean {
    return this.contains(other.address) || other.contains(this.address);
  }

  equals(other: Ipv4Prefix): boolean {
    return this.length === other.length && this.address.equals(other.address);
  }

  /** Negative when this one comes first: by address, of one address the wider prefix. */
  compare(other: Ipv4Prefix): number {
    return this.address.value - other.address.value || this.length - other.length;
  }

  toString(): string {
    this.#text ??= `${this.address.toString()}/${this.length}`;
    return this.#text;
  }

  toJSON(): string {
    return this.toString();
  }
}

function parseAddressAndLength(text: string): { address: Ipv4Address; length: number } | null {
  const match = PREFIX_TEXT.exec(text);
  const address = Ipv4Address.parse(match?.[1] ?? "");
  const length = Number(match?.[2] ?? ADDRESS_BITS + 1);
  return address === null || length > ADDRESS_BITS ? null : { address, length };
}
