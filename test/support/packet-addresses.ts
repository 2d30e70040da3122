/**
 * Who is where in the tests of packet engines:
 *
 *   pods 10.244.1.0/24 --[TUN 10.244.1.0]-- engine 127.0.0.1 ==UDP== peer A 127.0.0.2, pods 10.244.2.0/24
 *                                                            ==UDP== peer B 127.0.0.3, pods 10.244.4.0/22
 *                                                            ==UDP== peer C 127.0.0.4, pods 10.244.12.0/24
 *                                                            ==UDP== stranger 127.0.0.9
 *
 * IPv6 pods: ours 2001:db8:0:1::/64, of peer A 2001:db8:0:2::/64, of peer B 2001:db8:0:4::/62; peer C has none.
 */

export const OWN_SUBNET = "10.244.1.0/24";
export const TUN_ADDRESS = "10.244.1.0";
export const OWN_SUBNET6 = "2001:db8:0:1::/64";
export const TUN_ADDRESS6 = "2001:db8:0:1::";
export const OVERLAY_MTU = 1472;
export const ENGINE_ADDRESS = "127.0.0.1";
export const SENDERS = {
  peerA: "127.0.0.2",
  peerB: "127.0.0.3",
  peerC: "127.0.0.4",
  stranger: "127.0.0.9",
} as const;

export type Sender = keyof typeof SENDERS;

/** MAC addresses of the VTEPs, from the range for documentation (RFC 7042 section 2.1.2). */
export const VTEP_MACS: Readonly<Record<"own" | Sender, string>> = {
  own: "00:00:5e:00:53:01",
  peerA: "00:00:5e:00:53:0a",
  peerB: "00:00:5e:00:53:0b",
  peerC: "00:00:5e:00:53:0c",
  stranger: "00:00:5e:00:53:ee",
};
/** Its highest bit is set, which a shift of 32-bit numbers would take for a sign. */
export const VNI = 0x812345;

/** A peer as a table is told of it. */
export interface PeerText {
  readonly subnet: string;
  readonly subnet6?: string;
  readonly underlayIp: string;
  readonly vtepMac?: string;
}

export const PEERS = [
  {
    subnet: "10.244.2.0/24",
    subnet6: "2001:db8:0:2::/64",
    underlayIp: SENDERS.peerA,
    vtepMac: VTEP_MACS.peerA,
  },
  {
    subnet: "10.244.4.0/22",
    subnet6: "2001:db8:0:4::/62",
    underlayIp: SENDERS.peerB,
    vtepMac: VTEP_MACS.peerB,
  },
  { subnet: "10.244.12.0/24", underlayIp: SENDERS.peerC, vtepMac: VTEP_MACS.peerC },
] as const satisfies readonly PeerText[];

export const OWN_POD = "10.244.1.5";
export const POD_A = "10.244.2.7";
export const POD_B = "10.244.5.9";
export const POD_C = "10.244.12.3";
/** In the overlay, but nobody's. */
export const UNOWNED = "10.244.99.1";
export const EXTERNAL = "203.0.113.9";

export const OWN_POD6 = "2001:db8:0:1::5";
export const POD_A6 = "2001:db8:0:2::7";
export const POD_B6 = "2001:db8:0:5::9";
/** In the overlay, but nobody's. */
export const UNOWNED6 = "2001:db8:0:99::1";
export const EXTERNAL6 = "2001:db8:ffff::9";
