/**
 * Packets and what a packet engine does with each: the contract of all engines, as data. What goes in is written
 * down or made by a rule; what comes out is computed by the naive model in packets.ts.
 *
 *   pods 10.244.1.0/24 --[TUN 10.244.1.0]-- engine 127.0.0.1 ==UDP== peer A 127.0.0.2, pods 10.244.2.0/24
 *                                                            ==UDP== peer B 127.0.0.3, pods 10.244.4.0/22
 *                                                            ==UDP== stranger 127.0.0.9
 */
import { decapCases } from "./decap-cases.ts";
import { encapCases } from "./encap-cases.ts";
import type { PacketCase } from "./packet-case.ts";

export const PACKET_TABLE: readonly PacketCase[] = [...encapCases(), ...decapCases()];
