import { Ipv4Address } from "../../net/ipv4.ts";

const REVERSE_NAME = /^([0-9.]{7,15})\.in-addr\.arpa$/;

/**
 * The address that a reverse name is of (RFC 1035 section 3.5), `10.244.5.2` of `2.5.244.10.in-addr.arpa`, or null.
 * @param name in lower case
 */
export function parseReverseName(name: string): Ipv4Address | null {
  const octets = REVERSE_NAME.exec(name)?.[1]?.split(".") ?? [];
  return Ipv4Address.parse(octets.reverse().join("."));
}
