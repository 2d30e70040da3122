/**
 * Packets and what a packet engine does with each: the contract of all engines, as data. What goes in is written
 * down or made by a rule; what comes out is computed by the naive models in packets.ts, packets6.ts and frames.ts.
 * packet-addresses.ts draws who is where.
 */
import { decap6Cases } from "./decap6-cases.ts";
import { decapCases } from "./decap-cases.ts";
import { encap6Cases } from "./encap6-cases.ts";
import { encapCases } from "./encap-cases.ts";
import type { PacketCase } from "./packet-case.ts";
import { vxlanCases } from "./vxlan-cases.ts";

export const PACKET_TABLE: readonly PacketCase[] = [
  ...encapCases(),
  ...decapCases(),
  ...encap6Cases(),
  ...decap6Cases(),
  ...vxlanCases(),
];
