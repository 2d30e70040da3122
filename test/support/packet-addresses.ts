/**
 * Who is where in the tests of packet engines:
 *
 *   pods 10.244.1.0/24 --[TUN 10.244.1.0]-- engine 127.0.0.1 ==UDP== peer A 127.0.0.2, pods 10.244.2.0/24
 *                                                            ==UDP== peer B 127.0.0.3, pods 10.244.4.0/22
 *                                                            ==UDP== stranger 127.0.0.9
 */

export const OWN_SUBNET = "10.244.1.0/24";
export const TUN_ADDRESS = "10.244.1.0";
export const OVERLAY_MTU = 1472;
export const ENGINE_ADDRESS = "127.0.0.1";
export const SENDERS = { peerA: "127.0.0.2", peerB: "127.0.0.3", stranger: "127.0.0.9" } as const;
export const PEERS = [
  { subnet: "10.244.2.0/24", underlayIp: SENDERS.peerA },
  { subnet: "10.244.4.0/22", underlayIp: SENDERS.peerB },
] as const;

export type Sender = keyof typeof SENDERS;

export const OWN_POD = "10.244.1.5";
export const POD_A = "10.244.2.7";
export const POD_B = "10.244.5.9";
/** In the overlay, but nobody's. */
export const UNOWNED = "10.244.99.1";
export const EXTERNAL = "203.0.113.9";
