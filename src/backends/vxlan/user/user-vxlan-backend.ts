/** vxlan without the kernel's vxlan: a packet engine writes and reads the frames, behind a TUN named as flannel's device. */
import type { Logger } from "pino";
import type { ForwardingEntry } from "../../../datapath/forwarding-table.ts";
import type { Peer } from "../../../peers/peer.ts";
import type { Backend, BackendContext } from "../../backend.ts";
import { createTunnelBackend } from "../../tunnel/tunnel-backend.ts";
import type { TunnelSpec } from "../../tunnel/tunnel-spec.ts";
import { deriveVtepMac, vtepData, vtepIdentityOf, vtepMacOf } from "../vtep.ts";
import { VXLAN_OVERHEAD_BYTES, overlayMtuOf, vxlanDeviceName } from "../vxlan-options.ts";
import type { VxlanOptions } from "../vxlan-options.ts";

/** Makes the backend. @throws {OverlayError} `ERR_CONFIG_INVALID` when no packet fits the MTU, `ERR_ADDON_MISSING` */
export async function createUserVxlanBackend(
  context: BackendContext,
  options: VxlanOptions,
): Promise<Backend> {
  sayWithoutMeaning(options, context.log);
  return await createTunnelBackend(context, specOf(context, options));
}

function specOf(context: BackendContext, options: VxlanOptions): TunnelSpec {
  const { vni, port, isDirectRouting } = options;
  const ownMac = deriveVtepMac(context.nodeId, vni);
  return {
    type: "vxlan",
    deviceName: vxlanDeviceName(vni),
    overheadBytes: VXLAN_OVERHEAD_BYTES,
    overlayMtu: overlayMtuOf(options, context.underlay.underlayMtu),
    port,
    framing: { kind: "vxlan", vni, ownMac },
    sourcePort: "flow-hash", // RFC 7348 section 5
    isDirectRouting,
    leaseData: vtepData(vni, ownMac),
    entryOf,
    identityOf: vtepIdentityOf,
  };
}

function entryOf({ subnet, underlayIp, backend }: Peer): ForwardingEntry {
  return { subnet, underlayIp, vtepMac: vtepMacOf(backend) };
}

/** These tell the kernel's device how to behave, and this is none. */
function sayWithoutMeaning({ isLearning, hasGroupPolicy }: VxlanOptions, log: Logger): void {
  const options = [...(isLearning ? ["Learning"] : []), ...(hasGroupPolicy ? ["GBP"] : [])];
  for (const option of options) {
    log.info({ option }, "Backend option has no meaning without the kernel's vxlan device");
  }
}
