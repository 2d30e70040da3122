import type { PacketEngineOptions } from "./packet-engine.ts";

/** Refuses a node that carries IPv6 and has no address to send errors about it from. @throws {RangeError} */
export function requireIpv6Sender({
  ownSubnet6,
  tunAddress6,
}: Pick<PacketEngineOptions, "ownSubnet6" | "tunAddress6">): void {
  if (ownSubnet6 === null || tunAddress6 !== null) return;
  throw new RangeError("Cannot answer IPv6 packets: ownSubnet6 is given, and tunAddress6 is missing");
}
