/**
 * The network config: what the operator writes to `<prefix>/config`, in flannel's form. Member names match
 * without regard to case, unknown members are ignored.
 */
import { foldName } from "../net/fold-name.ts";
import type { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";
import type { Ipv6Address, Ipv6Prefix } from "../net/ipv6.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { showUntrusted, showUntrustedJson } from "../net/untrusted-text.ts";
import { foldMembers, isJsonObject, isTooDeep, MAX_JSON_DEPTH } from "./go-json.ts";
import type { JsonValue } from "./lease.ts";
import { completeRange, configError, IPV4_FAMILY, IPV6_FAMILY, readGivenRange } from "./subnet-range.ts";
import type { SubnetRange } from "./subnet-range.ts";

/** Of a network config without `Backend`. */
const DEFAULT_BACKEND = "udp";

/** A network config that passed every check, with its defaults filled in. */
export interface NetworkConfig extends SubnetRange<Ipv4Address, Ipv4Prefix> {
  /** Always: a config that switches IPv4 off is refused. */
  readonly enableIpv4: true;
  readonly enableIpv6: boolean;
  /** Null unless `enableIpv6`. */
  readonly ipv6: SubnetRange<Ipv6Address, Ipv6Prefix> | null;
  /** Firewall rules are made by nftables, not iptables (`EnableNFTables`). */
  readonly usesNftables: boolean;
  /** In lower case; "" when there is a `Backend` without `Type`, which no backend answers to. */
  readonly backendType: string;
  /** The `Backend` object as stored, without a prototype; empty when there is none. */
  readonly backendOptions: Readonly<Record<string, JsonValue>>;
  /** What was read; two configs with the same members may differ in it. */
  readonly text: string;
}

/**
 * Reads and checks a network config.
 * @throws {OverlayError} `ERR_CONFIG_INVALID`, naming the member, its value and what to do
 */
export function parseNetworkConfig(text: string): NetworkConfig {
  const members = readMembers(text);
  const enableIpv4 = readSwitch(members, "EnableIPv4", true);
  const enableIpv6 = readSwitch(members, "EnableIPv6", false);
  const usesNftables = readSwitch(members, "EnableNFTables", false);
  const given = readGivenRange(IPV4_FAMILY, members);
  const given6 = readGivenRange(IPV6_FAMILY, members);
  const backend = readBackend(members.get("backend"));
  // With flannel every IPv6-only node would find, by the address they all leave out, the first one's lease.
  if (!enableIpv4) {
    throw configError("EnableIPv4", "false is not supported with etcd; set it to true and give Network");
  }
  return {
    enableIpv4,
    enableIpv6,
    usesNftables,
    ...completeRange(IPV4_FAMILY, given),
    ipv6: enableIpv6 ? completeRange(IPV6_FAMILY, given6) : null,
    ...backend,
    text,
  };
}

/**
 * Refuses what the config may say but no backend carries yet: IPv6.
 * @throws {OverlayError} `ERR_CONFIG_INVALID`
 */
export function assertCarried(config: NetworkConfig): void {
  if (config.enableIpv6) {
    const backend = showUntrusted(config.backendType);
    throw configError("EnableIPv6", `true is not supported yet by backend ${backend}; set it to false`);
  }
}

function readMembers(text: string): Map<string, JsonValue> {
  let json: JsonValue;
  try {
    json = JSON.parse(text) as JsonValue;
  } catch (err) {
    const reason = showUntrusted(err instanceof Error ? err.message : "");
    throw new OverlayError("ERR_CONFIG_INVALID", `Cannot use the network config: it is not JSON, ${reason}`);
  }
  if (isTooDeep(json)) {
    throw new OverlayError(
      "ERR_CONFIG_INVALID",
      `Cannot use the network config: it is nested deeper than ${MAX_JSON_DEPTH} levels`,
    );
  }
  const members = foldMembers(json);
  if (members === null) {
    throw new OverlayError(
      "ERR_CONFIG_INVALID",
      `Cannot use the network config: ${showUntrustedJson(json)} is not a JSON object`,
    );
  }
  return members;
}

function readSwitch(members: ReadonlyMap<string, JsonValue>, member: string, byDefault: boolean): boolean {
  const value = members.get(foldName(member)) ?? byDefault;
  if (typeof value !== "boolean")
    throw configError(member, `${showUntrustedJson(value)} is neither true nor false`);
  return value;
}

function readBackend(backend: JsonValue | undefined): Pick<NetworkConfig, "backendType" | "backendOptions"> {
  const backendOptions = Object.create(null) as Record<string, JsonValue>;
  if (backend === undefined) return { backendType: DEFAULT_BACKEND, backendOptions };
  if (backend === null) return { backendType: "", backendOptions };
  if (!isJsonObject(backend))
    throw configError("Backend", `${showUntrustedJson(backend)} is not a JSON object`);
  const type = foldMembers(backend)?.get("type") ?? "";
  if (typeof type !== "string")
    throw configError("Backend.Type", `${showUntrustedJson(type)} is not a string`);
  return { backendType: type.toLowerCase(), backendOptions: Object.assign(backendOptions, backend) };
}
