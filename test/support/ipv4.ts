/** Addresses and prefixes written in a test: a slip of the pen throws, instead of being null. */
import { Ipv4Address, Ipv4Prefix } from "../../src/net/ipv4.ts";

/** @throws {RangeError} when the text is no address */
export function addressOf(text: string): Ipv4Address {
  const address = Ipv4Address.parse(text);
  if (address === null) throw new RangeError(`Not an IPv4 address: ${text}`);
  return address;
}

/** @throws {RangeError} when the text is no prefix, or has host bits set */
export function prefixOf(text: string): Ipv4Prefix {
  const prefix = Ipv4Prefix.parse(text);
  if (prefix === null) throw new RangeError(`Not an IPv4 prefix: ${text}`);
  return prefix;
}
