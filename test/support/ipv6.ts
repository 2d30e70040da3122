/** IPv6 addresses and prefixes written in a test: a slip of the pen throws, instead of being null. */
import { Ipv6Address, Ipv6Prefix } from "../../src/net/ipv6.ts";

/** @throws {RangeError} when the text is no address */
export function address6Of(text: string): Ipv6Address {
  const address = Ipv6Address.parse(text);
  if (address === null) throw new RangeError(`Not an IPv6 address: ${text}`);
  return address;
}

/** @throws {RangeError} when the text is no prefix, or has host bits set */
export function prefix6Of(text: string): Ipv6Prefix {
  const prefix = Ipv6Prefix.parse(text);
  if (prefix === null) throw new RangeError(`Not an IPv6 prefix: ${text}`);
  return prefix;
}
