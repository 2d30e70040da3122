/** flannel's udp backend: one inner IPv4 packet for each UDP datagram, and nothing else in it. */
import type { Backend, BackendContext } from "../backend.ts";
import { createTunnelBackend } from "../tunnel/tunnel-backend.ts";
import { parseUdpOptions } from "./udp-options.ts";

/** flannel's name for it, which scripts and firewall rules of its users know. */
const DEVICE_NAME = "flannel0";
/** IPv4 header 20 (RFC 791 section 3.1) and UDP header 8 (RFC 768); nothing of our own. */
const OVERHEAD_BYTES = 28;

/**
 * Makes the udp backend. The lease of a udp node names no backend: its address is all that peers need.
 * @throws {OverlayError} `ERR_CONFIG_INVALID`, `ERR_ADDON_MISSING`
 */
export async function createUdpBackend(context: BackendContext): Promise<Backend> {
  const { port } = parseUdpOptions(context.options);
  return await createTunnelBackend(context, {
    type: "udp",
    deviceName: DEVICE_NAME,
    overheadBytes: OVERHEAD_BYTES,
    overlayMtu: context.underlay.underlayMtu - OVERHEAD_BYTES,
    port,
    framing: { kind: "bare" },
    sourcePort: "fixed", // as flannel's, which firewalls may know
    isDirectRouting: false,
    leaseData: { type: "" },
    entryOf: (peer) => peer,
    identityOf: () => "",
  });
}
