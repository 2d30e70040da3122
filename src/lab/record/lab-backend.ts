/** What a lab's backend, as its network config names it, means for what the lab shows and counts. */
import { foldName } from "../../net/fold-name.ts";

/** How the packets of a lab travel. */
export interface LabBackend {
  /** In lower case: `udp`, `vxlan`, `host-gw`, or whatever the network config says. */
  readonly type: string;
  /** The overlay device that agents and flannel make for it; null where packets leave by the underlay's device. */
  readonly deviceName: string | null;
  /** Whether packets with overlay addresses cross the underlay by design, so that none of them is a leak. */
  readonly isInClear: boolean;
}

/** Of a network config without `Backend`. */
const DEFAULT_TYPE = "udp";
/** flannel's, of a vxlan config that does not say another. */
const DEFAULT_VNI = 1;

/** Reads the members of a network config; what the agents would refuse is left for them to refuse. */
export function labBackendOf(networkConfig: Readonly<Record<string, unknown>> = {}): LabBackend {
  const backend = memberOf(networkConfig, "Backend");
  const options = isObject(backend) ? backend : {};
  const named = memberOf(options, "Type");
  const type = typeof named === "string" ? named.toLowerCase() : backend === undefined ? DEFAULT_TYPE : "";
  return {
    type,
    deviceName: deviceNameOf(type, options),
    isInClear: type === "host-gw" || (type === "vxlan" && memberOf(options, "DirectRouting") === true),
  };
}

function deviceNameOf(type: string, options: Readonly<Record<string, unknown>>): string | null {
  if (type === "udp") return "flannel0";
  if (type !== "vxlan") return null;
  const vni = memberOf(options, "VNI");
  return `flannel.${typeof vni === "number" ? vni : DEFAULT_VNI}`;
}

/** A member by its name in any case, as the agents read it. */
function memberOf(object: Readonly<Record<string, unknown>>, name: string): unknown {
  const found = Object.keys(object).find((key) => foldName(key) === foldName(name));
  return found === undefined ? undefined : object[found];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
