/**
 * What carries packets to the peers, as flannel makes it for each (MAC of the peer's VTEP, its underlay address):
 *
 *   10.244.7.0/24 via 10.244.7.0 dev flannel.1 onlink       route
 *   10.244.7.0 lladdr 82:4b:00:00:00:07                     neighbour entry: nobody is asked by ARP
 *   82:4b:00:00:00:07 dst 192.0.2.7                         FDB entry
 *
 * or, for one that direct routing reaches, `10.244.7.0/24 via 192.0.2.7 dev eth0` alone; and below all of them
 *
 *   blackhole 10.244.0.0/16 metric 4278198272
 */
import type { KernelObjects } from "../../../kernel/kernel-objects.ts";
import { blackholeRoute, gatewayRoute, onlinkRoute } from "../../../kernel/routes.ts";
import type { Ipv4Prefix } from "../../../net/ipv4.ts";
import type { Peer, PeerSet } from "../../../peers/peer.ts";
import { vtepMacOf } from "../vtep.ts";

/** Where the objects are made. */
export interface ObjectPlace {
  /** The whole overlay range. */
  readonly network: Ipv4Prefix;
  readonly deviceName: string;
  /** Device by which a peer is reached without encapsulation; null where it is not. */
  directDeviceOf(peer: Peer): string | null;
}

/** States every object for these peers. A peer whose data names no MAC has none, and the blackhole takes its packets. */
export function peerObjects(peers: PeerSet, place: ObjectPlace): KernelObjects {
  const { network, deviceName } = place;
  const direct = peers.flatMap((peer) => {
    const directDevice = place.directDeviceOf(peer);
    return directDevice === null ? [] : [gatewayRoute(peer.subnet, peer.underlayIp, directDevice)];
  });
  const encapsulated = peers
    .filter((peer) => place.directDeviceOf(peer) === null)
    .flatMap(({ subnet, underlayIp, backend }) => {
      const mac = vtepMacOf(backend);
      return mac === null ? [] : [{ subnet, underlayIp, mac }];
    });
  return {
    routes: [
      blackholeRoute(network),
      ...direct,
      ...encapsulated.map(({ subnet }) => onlinkRoute(subnet, deviceName)),
    ],
    neighbours: encapsulated.map(({ subnet, mac }) => ({ address: subnet.address, mac })),
    fdb: encapsulated.map(({ mac, underlayIp }) => ({ mac, underlayIp })),
  };
}
