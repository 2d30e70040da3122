/** IPv6 addresses and prefixes as values. Numbers are in host order, 0 to 2^128 - 1. */
import { Address6 } from "ip-address";

const PREFIX_TEXT = /^([0-9A-Fa-f:.]+)\/(0|[1-9][0-9]{0,2})$/;
/** No zone (`%eth0`), no prefix length: those are not part of an address. */
const ADDRESS_TEXT = /^[0-9A-Fa-f:.]+$/;
const ADDRESS_BITS = 128;
const MAX_ADDRESS = (1n << 128n) - 1n;

/** Number of addresses in a prefix of this length. */
export function ipv6SizeOf(length: number): bigint {
  return 1n << BigInt(ADDRESS_BITS - length);
}

/** An IPv6 address. Compare with `equals`. */
export class Ipv6Address {
  readonly value: bigint;

  /** @throws {RangeError} when `value` is not 0 to 2^128 - 1 */
  constructor(value: bigint) {
    if (value < 0n || value > MAX_ADDRESS) {
      throw new RangeError(`Cannot make an IPv6 address of ${value.toString()}: need 0 to 2^128 - 1`);
    }
    this.value = value;
  }

  /** Reads any text form of RFC 4291 section 2.2 without a zone, or gives null. */
  static parse(text: string): Ipv6Address | null {
    if (!ADDRESS_TEXT.test(text) || !Address6.isValid(text)) return null;
    return new Ipv6Address(new Address6(text).bigInt());
  }

  equals(other: Ipv6Address): boolean {
    return this.value === other.value;
  }

  /** The address `count` further on. @throws {RangeError} past either end of the address space */
  plus(count: bigint): Ipv6Address {
    return new Ipv6Address(this.value + count);
  }

  /** Canonical text of RFC 5952. */
  toString(): string {
    return Address6.fromBigInt(this.value).correctForm();
  }

  toJSON(): string {
    return this.toString();
  }
}

/** An IPv6 prefix: `address` has no bits set past `length`. */
export class Ipv6Prefix {
  readonly address: Ipv6Address;
  readonly length: number;

  /** @throws {RangeError} when `length` is not 0 to 128 or `address` has host bits set */
  constructor(address: Ipv6Address, length: number) {
    if (!Number.isInteger(length) || length < 0 || length > ADDRESS_BITS) {
      throw new RangeError(`Cannot make an IPv6 prefix: length must be 0 to ${ADDRESS_BITS}, got ${length}`);
    }
    if (address.value % ipv6SizeOf(length) !== 0n) {
      throw new RangeError(`Cannot make an IPv6 prefix: ${address.toString()} has host bits past /${length}`);
    }
    this.address = address;
    this.length = length;
  }

  /** Reads `address/len` whose host bits are zero, or gives null. */
  static parse(text: string): Ipv6Prefix | null {
    const parts = parseAddressAndLength(text);
    if (parts === null || parts.address.value % ipv6SizeOf(parts.length) !== 0n) return null;
    return new Ipv6Prefix(parts.address, parts.length);
  }

  /** Reads `address/len` and clears the host bits, or gives null. */
  static parseContaining(text: string): Ipv6Prefix | null {
    const parts = parseAddressAndLength(text);
    return parts === null ? null : Ipv6Prefix.containing(parts.address, parts.length);
  }

  /** The prefix of this length that holds `address`. */
  static containing(address: Ipv6Address, length: number): Ipv6Prefix {
    return new Ipv6Prefix(new Ipv6Address(address.value - (address.value % ipv6SizeOf(length))), length);
  }

  /** Number of addresses. */
  get size(): bigint {
    return ipv6SizeOf(this.length);
  }

  /** Last address of the prefix. */
  get last(): Ipv6Address {
    return new Ipv6Address(this.address.value + this.size - 1n);
  }

  contains(address: Ipv6Address): boolean {
    return address.value >= this.address.value && address.value <= this.last.value;
  }

  containsPrefix(other: Ipv6Prefix): boolean {
    return other.length >= this.length && this.contains(other.address);
  }

  overlaps(other: Ipv6Prefix): boolean {
    return this.contains(other.address) || other.contains(this.address);
  }

  equals(other: Ipv6Prefix): boolean {
    return this.length === other.length && this.address.equals(other.address);
  }

  toString(): string {
    return `${this.address.toString()}/${this.length}`;
  }

  toJSON(): string {
    return this.toString();
  }
}

function parseAddressAndLength(text: string): { address: Ipv6Address; length: number } | null {
  const match = PREFIX_TEXT.exec(text);
  const address = Ipv6Address.parse(match?.[1] ?? "");
  const length = Number(match?.[2] ?? ADDRESS_BITS + 1);
  return address === null || length > ADDRESS_BITS ? null : { address, length };
}
