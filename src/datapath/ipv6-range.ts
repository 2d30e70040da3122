/** Ranges of IPv6 addresses as the packet path compares them: bytes in network order, where they lie. */
import type { Ipv6Address, Ipv6Prefix } from "../net/ipv6.ts";

const ADDRESS_BYTES = 16;

/** The addresses of one prefix. Looking into it allocates nothing: no packet costs an object, or a bigint. */
export class Ipv6Range {
  readonly #first: Buffer;
  readonly #last: Buffer;

  constructor(prefix: Ipv6Prefix) {
    this.#first = ipv6BytesOf(prefix.address);
    this.#last = ipv6BytesOf(prefix.last);
  }

  /** Whether the address at this offset of a packet is in the range. */
  holds(packet: Buffer, at: number): boolean {
    return (
      !this.startsAfter(packet, at) &&
      packet.compare(this.#last, 0, ADDRESS_BYTES, at, at + ADDRESS_BYTES) <= 0
    );
  }

  /** Whether the whole range lies behind the address at this offset of a packet. */
  startsAfter(packet: Buffer, at: number): boolean {
    return packet.compare(this.#first, 0, ADDRESS_BYTES, at, at + ADDRESS_BYTES) < 0;
  }
}

/** The 16 bytes of an address, in network order. */
export function ipv6BytesOf(address: Ipv6Address): Buffer {
  return Buffer.from(address.value.toString(16).padStart(2 * ADDRESS_BYTES, "0"), "hex");
}
