/**
 * Packets and what a packet engine does with each: the contract of all engines, as data. What goes in is written
 * down or made by a rule; what comes out is computed by the naive model in packets.ts. packet-addresses.ts draws
 * who is where.
 */
import { decapCases } from "./decap-cases.ts";
import { encapCases } from "./encap-cases.ts";
import type { PacketCase } from "./packet-case.ts";

export const PACKET_TABLE: readonly PacketCase[] = [...encapCases(), ...decapCases()];
