/** Every way of carrying packets, by its name in the network config. */
import { OverlayError } from "../net/overlay-error.ts";
import { showUntrusted } from "../net/untrusted-text.ts";
import type { Backend, BackendContext, BackendFactory } from "./backend.ts";

/** Each is loaded when it is asked for: start-up does not pay for the others. */
const FACTORIES: ReadonlyMap<string, () => Promise<BackendFactory>> = new Map([
  ["udp", async () => (await import("./udp/udp-backend.ts")).createUdpBackend],
  ["vxlan", async () => (await import("./vxlan/vxlan-backend.ts")).createVxlanBackend],
  ["host-gw", async () => (await import("./hostgw/hostgw-backend.ts")).createHostgwBackend],
  ["alloc", async () => (await import("./alloc/alloc-backend.ts")).createAllocBackend],
]);

/** Further types of flannel: asking for one is no slip of the pen, and the message says so. */
const OTHER_FLANNEL_TYPES: ReadonlySet<string> = new Set([
  "extension",
  "wireguard",
  "ipip",
  "ipsec",
  "tencent-vpc",
]);

/**
 * Makes the backend of this type, `Backend.Type` of the network config in any case; "" when that object has
 * none. Touches nothing outside the process.
 * @throws {OverlayError} `ERR_BACKEND_UNKNOWN` for a type that we do not have, `ERR_CONFIG_INVALID` when the
 *   options are not the backend's, or the overlay network holds this host's underlay address, `ERR_ADDON_MISSING`
 *   as the {@link BackendFactory} says
 */
export async function createBackend(type: string, context: BackendContext): Promise<Backend> {
  const load = FACTORIES.get(type.toLowerCase());
  if (load === undefined) throw unknownType(type);
  refuseOverlap(context);
  return await (
    await load()
  )(context);
}

function unknownType(type: string): OverlayError {
  const supported = [...FACTORIES.keys()].join(", ");
  const what = type === "" ? "Backend in the network config has no Type" : reasonFor(type);
  return new OverlayError("ERR_BACKEND_UNKNOWN", `Cannot choose a backend: ${what}, supported: ${supported}`);
}

function reasonFor(type: string): string {
  const isOfFlannel = OTHER_FLANNEL_TYPES.has(type.toLowerCase());
  return `${isOfFlannel ? "no support yet for flannel's" : "unknown"} type ${showUntrusted(type)}`;
}

/** The route of the overlay would take the underlay's own packets, and cut this host off. */
function refuseOverlap({ network, underlay }: BackendContext): void {
  const inside = [underlay.interfaceIp, underlay.publicIp].find((address) => network.contains(address));
  if (inside === undefined) return;
  throw new OverlayError(
    "ERR_CONFIG_INVALID",
    `Cannot use overlay network ${network.toString()}: it contains the underlay address ${inside.toString()}`,
    { network: network.toString(), underlayIp: inside.toString() },
  );
}
