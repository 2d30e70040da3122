/** The tunnels that a guard stands before, as real devices on the hosts of a bench. */
import type { GuardedTunnel } from "../../src/kernel/firewall/guard-rules.ts";
import type { BackendHost, BackendProcess } from "./backend-hosts.ts";
import { introduce } from "./backend-hosts.ts";
import { frameOf } from "./frames.ts";
import { DEVICE, SENDER_MAC, VNI, VXLAN_PORT, frameTo, makeVxlanDevice, podPacket } from "./guarded-hosts.ts";
import type { PacketFields } from "./packets.ts";
import { introduceAll, openVxlan } from "./vxlan-hosts.ts";

/** Two hosts that encapsulate for each other. */
export interface TunnelEnds {
  /** Payload of a datagram to the encapsulation port of `host`: a UDP packet to `POD_PORT` in it. */
  payloadFor(host: BackendHost, packet: PacketFields): Buffer;
  /** What carries the packets of the first host; null where the kernel does. */
  readonly backend: BackendProcess | null;
}

/** One way of encapsulating. */
export interface GuardedWay {
  readonly name: string;
  readonly tunnel: GuardedTunnel;
  /** Makes the devices, and each the other's peer. */
  readonly connect: (one: BackendHost, other: BackendHost) => Promise<TunnelEnds>;
}

/** Otherwise a run of datagrams comes out of the device as one packet, and counts once. */
const SINGLE_PACKETS = { datapath: { offload: "off" } } as const;
const VXLAN_TUNNEL = { port: VXLAN_PORT, deviceName: DEVICE, isDirectRouting: false };

/** Those whose packets an engine of ours decapsulates. */
export const USER_SPACE_WAYS: readonly GuardedWay[] = [
  {
    name: "udp",
    tunnel: { port: 8285, deviceName: "flannel0", isInKernel: false, isDirectRouting: false },
    async connect(one, other) {
      const [backend, there] = [
        await one.openBackend(SINGLE_PACKETS),
        await other.openBackend(SINGLE_PACKETS),
      ];
      await introduce(one, backend, other, there);
      return { backend, payloadFor: (_host, packet) => podPacket(packet) };
    },
  },
  {
    name: "vxlan",
    tunnel: { ...VXLAN_TUNNEL, isInKernel: false },
    async connect(one, other) {
      const [node, there] = [await openVxlan(one, SINGLE_PACKETS), await openVxlan(other, SINGLE_PACKETS)];
      await introduceAll(node, there);
      const macOf = (host: BackendHost): string => (host === one ? node : there).mac;
      return {
        backend: node.backend,
        payloadFor: (host, packet) =>
          frameOf(podPacket(packet), { vni: VNI, destinationMac: macOf(host), sourceMac: SENDER_MAC }),
      };
    },
  },
];

/** All of them. */
export const GUARDED_WAYS: readonly GuardedWay[] = [
  ...USER_SPACE_WAYS,
  {
    name: "kernel vxlan",
    tunnel: { ...VXLAN_TUNNEL, isInKernel: true },
    async connect(one, other) {
      await makeVxlanDevice(one, [other]);
      await makeVxlanDevice(other, [one]);
      return { backend: null, payloadFor: frameTo };
    },
  },
];
