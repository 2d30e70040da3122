/** What the `Backend` object of the network config may say to the vxlan backend. */
import { foldName } from "../../net/fold-name.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { showUntrustedJson } from "../../net/untrusted-text.ts";
import type { JsonValue } from "../../subnet-lease/lease.ts";

/** Linux's port of old, and so flannel's; not the 4789 of RFC 7348. */
const DEFAULT_PORT = 8472;
const MAX_PORT = 65535;
const DEFAULT_VNI = 1;
/** RFC 7348 section 5 has 24 bits for it; more digits do not fit a device name beside "flannel." (IFNAMSIZ 16). */
const MAX_VNI = 9_999_999;
/** Of a bound that who knows VXLAN would not expect. */
const VNI_REASON = ", as the name of device flannel.VNI has room for seven digits";
/** Outer IPv4 header 20, UDP header 8, VXLAN header 8 (RFC 7348 section 5), inner Ethernet header 14. */
export const VXLAN_OVERHEAD_BYTES = 50;
/** Smallest MTU of an IPv4 link (RFC 791 section 3.2). */
const MIN_OVERLAY_MTU = 68;
const MIN_UNDERLAY_MTU = MIN_OVERLAY_MTU + VXLAN_OVERHEAD_BYTES;
/** The largest packet there is. */
const MAX_MTU = 65_535;

export interface VxlanOptions {
  readonly vni: number;
  /** UDP port of this node and of every peer. */
  readonly port: number;
  /** MTU of the underlay to reckon with; null: the interface's. */
  readonly underlayMtu: number | null;
  /** Peers that are reached without a gateway get packets as they are. */
  readonly isDirectRouting: boolean;
  /** The device learns where MACs are from what it receives. For the kernel's device only. */
  readonly isLearning: boolean;
  /** Group policy extension. For the kernel's device only. */
  readonly hasGroupPolicy: boolean;
}

/**
 * Reads the options as Go reads JSON: member names in any case, the last one of a name wins, null is as good
 * as absent, members of no meaning here are left alone. `Port` and `MTU` 0 stand for the default, as in flannel.
 * @throws {OverlayError} `ERR_CONFIG_INVALID` that names the member, its value and what is valid
 */
export function parseVxlanOptions(options: Readonly<Record<string, JsonValue>>): VxlanOptions {
  const members = new Map<string, JsonValue>();
  for (const [name, value] of Object.entries(options)) if (value !== null) members.set(foldName(name), value);
  const underlayMtu = integerOf(members, "MTU", [MIN_UNDERLAY_MTU, MAX_MTU], 0);
  return {
    vni: integerOf(members, "VNI", [0, MAX_VNI], DEFAULT_VNI, VNI_REASON),
    port: integerOf(members, "Port", [1, MAX_PORT], 0) || DEFAULT_PORT,
    underlayMtu: underlayMtu === 0 ? null : underlayMtu,
    isDirectRouting: switchOf(members, "DirectRouting"),
    isLearning: switchOf(members, "Learning"),
    hasGroupPolicy: switchOf(members, "GBP"),
  };
}

/** flannel's name for the overlay device, which scripts and firewall rules of its users know. */
export function vxlanDeviceName(vni: number): string {
  return `flannel.${vni}`;
}

/**
 * Largest inner packet. `Backend.MTU` says less than the interface where the path is narrower; more than the interface
 * has is not to be had.
 * @throws {OverlayError} `ERR_CONFIG_INVALID` when the interface's MTU leaves less than an IPv4 link must carry
 */
export function overlayMtuOf({ underlayMtu }: VxlanOptions, interfaceMtu: number): number {
  const overlayMtu = Math.min(underlayMtu ?? interfaceMtu, interfaceMtu) - VXLAN_OVERHEAD_BYTES;
  if (overlayMtu >= MIN_OVERLAY_MTU) return overlayMtu;
  throw new OverlayError(
    "ERR_CONFIG_INVALID",
    `Cannot use the vxlan backend: it needs an underlay MTU of ${MIN_UNDERLAY_MTU} or more, the interface has ${interfaceMtu}`,
    { underlayMtu: interfaceMtu },
  );
}

type Members = ReadonlyMap<string, JsonValue>;

/** A member that is the fallback is taken even where it is out of range. `reason` says why the range is what it is. */
function integerOf(
  members: Members,
  name: string,
  [min, max]: [number, number],
  fallback: number,
  reason = "",
): number {
  const value = members.get(foldName(name)) ?? fallback;
  if (typeof value === "number" && Number.isInteger(value)) {
    if (value === fallback || (value >= min && value <= max)) return value;
  }
  throw invalid(name, `must be an integer from ${min} to ${max}${reason}`, value);
}

function switchOf(members: Members, name: string): boolean {
  const value = members.get(foldName(name)) ?? false;
  if (typeof value === "boolean") return value;
  throw invalid(name, "must be true or false", value);
}

function invalid(name: string, demand: string, value: JsonValue): OverlayError {
  return new OverlayError(
    "ERR_CONFIG_INVALID",
    `Cannot use the vxlan backend: Backend.${name} ${demand}, got ${showUntrustedJson(value)}`,
  );
}
