const MAC_TEXT = /^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$/;
const MULTICAST_BIT = 0x01; // of the first octet (IEEE 802 section 8.2)
const MAX_MAC = 2 ** 48 - 1;

/** A 48-bit Ethernet address (IEEE 802 EUI-48). */
export class MacAddress {
  readonly value: number;

  /** @throws {RangeError} when `value` is not an integer from 0 to 2^48 - 1 */
  constructor(value: number) {
    if (!Number.isInteger(value) || value < 0 || value > MAX_MAC) {
      throw new RangeError(`Cannot make a MAC address of ${value}: need an integer from 0 to 2^48 - 1`);
    }
    this.value = value;
  }

  /** Reads six pairs of hex digits with colons, or gives null. */
  static parse(text: string): MacAddress | null {
    return MAC_TEXT.test(text) ? new MacAddress(Number.parseInt(text.replaceAll(":", ""), 16)) : null;
  }

  get isMulticast(): boolean {
    return (Math.floor(this.value / 2 ** 40) & MULTICAST_BIT) !== 0;
  }

  equals(other: MacAddress): boolean {
    return this.value === other.value;
  }

  /** Lower-case hex pairs with colons, the form flannel stores. */
  toString(): string {
    const digits = this.value.toString(16).padStart(12, "0");
    return digits.replace(/..(?!$)/g, "$&:");
  }

  toJSON(): string {
    return this.toString();
  }
}
