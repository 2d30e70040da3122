/** The network between the hosts: one bridge, with a router on it that knows nothing of the overlay. */
import { ROUTER_IP, UNDERLAY_NETWORK } from "../record/address-plan.ts";
import { waitForCarrier } from "./carrier.ts";
import type { Namespace } from "./namespace.ts";

/** Bridge in the underlay's namespace. */
export const UNDERLAY_BRIDGE = "br0";
/** A host's device on the underlay. */
export const HOST_DEVICE = "eth0";

/**
 * Makes the bridge and the router's address. The router drops what is not for itself: a packet that leaks is
 * lost, as in most networks, and not answered.
 */
export async function makeUnderlay(underlay: Namespace, mtu: number, signal?: AbortSignal): Promise<void> {
  await underlay.ip(
    [
      `link add ${UNDERLAY_BRIDGE} mtu ${mtu} type bridge forward_delay 0 mcast_snooping 0`,
      `link set ${UNDERLAY_BRIDGE} up`,
      `addr add ${ROUTER_IP.toString()}/${UNDERLAY_NETWORK.length} dev ${UNDERLAY_BRIDGE}`,
    ],
    signal,
  );
}

/** Plugs a host into the bridge: eth0 with its underlay address, default route through the router. Resolves when it carries. */
export async function connectHost(
  underlay: Namespace,
  host: Namespace,
  plan: { readonly name: string; readonly address: string; readonly mtu: number },
  signal?: AbortSignal,
): Promise<void> {
  await host.sysctl(["net.ipv4.ip_forward=1"], signal);
  await host.ip(
    [
      `link add ${HOST_DEVICE} mtu ${plan.mtu} type veth peer name ${plan.name} mtu ${plan.mtu} netns ${underlay.name}`,
      `addr add ${plan.address}/${UNDERLAY_NETWORK.length} dev ${HOST_DEVICE}`,
      `link set ${HOST_DEVICE} up`,
      `route add default via ${ROUTER_IP.toString()}`,
    ],
    signal,
  );
  await underlay.ip([`link set ${plan.name} master ${UNDERLAY_BRIDGE} up`], signal);
  await waitForCarrier(host, [HOST_DEVICE], signal);
  await waitForCarrier(underlay, [plan.name, UNDERLAY_BRIDGE], signal);
}
