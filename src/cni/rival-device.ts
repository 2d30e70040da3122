/** A device that has the host's lease already: `bridge` would make a second one with the same gateway and say nothing. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { endianness } from "node:os";
import { join } from "node:path";
import { fileError } from "../files/file-error.ts";
import { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";
import { describeRival } from "../net/lease-rival.ts";
import type { LeaseRival, RivalOwner } from "../net/lease-rival.ts";
import { CNI_CODE, CniError } from "./cni-error.ts";
import type { DelegateConfig } from "./plan-delegate.ts";

/** The main routing table. A device's address brings a route to its subnet, also while nobody is on the bridge. */
const ROUTES = "/proc/net/route";
/** A directory for each device, in which a bridge has one named so. */
const DEVICES = "/sys/class/net";
const BRIDGE_DIRECTORY = "bridge";
const DEFAULT_BRIDGE = "cni0";
/** `RTF_GATEWAY` of linux/route.h. */
const GATEWAY_FLAG = 0x0002;
/** In the place of a device: a blackhole. */
const NO_DEVICE = "*";
const HOST_LENGTH = 32;

/** Throws where another device than the delegate's bridge has the lease. @throws {CniError} 100 */
export async function refuseRival(delegate: DelegateConfig, subnet: Ipv4Prefix): Promise<void> {
  const bridge = gatewayBridge(delegate);
  const found = bridge === null ? null : findRoutedRival(subnet, bridge, await readRoutes());
  if (found === null) return;
  const rival = { ...found, owner: ownerByFiles(found.device, DEVICES) };
  throw new CniError(CNI_CODE.failed, `Cannot attach the container: ${describeRival(rival, subnet)}`);
}

/** The bridge to which the delegate gives the gateway's address; null: to none, and the host may have it by another device. */
export function gatewayBridge({ type, bridge, isGateway, isDefaultGateway }: DelegateConfig): string | null {
  if (type !== "bridge" || (isGateway !== true && isDefaultGateway !== true)) return null;
  return typeof bridge === "string" ? bridge : DEFAULT_BRIDGE;
}

/** The device, other than `bridge` and its VLANs (cni0.100), to which the routes lead the subnet or a part of it; or null. */
export function findRoutedRival(
  subnet: Ipv4Prefix,
  bridge: string,
  routes: string,
): Omit<LeaseRival, "owner"> | null {
  for (const line of routes.split("\n").slice(1)) {
    const [device = "", destination = "", , flags = "", , , , mask = ""] = line.split("\t");
    const length = bitsOf(readAddress(mask));
    if (device === "" || device === NO_DEVICE || device === bridge || device.startsWith(`${bridge}.`))
      continue;
    const isHere = (Number.parseInt(flags, 16) & GATEWAY_FLAG) === 0;
    const isSubnet = length >= subnet.length && length < HOST_LENGTH; // one address is a container's, by its veth
    if (!isHere || !isSubnet || !subnet.contains(readAddress(destination))) continue;
    const route = Ipv4Prefix.containing(readAddress(destination), length);
    return { device, claim: { kind: "route", destination: route } };
  }
  return null;
}

/**
 * Whether a device is a bridge, which may be deleted, or may be a network card, which must not be; whose a bridge is takes a
 * run of `ip`. Unknown where the files are of another network namespace than this process is in, as in a lab's.
 * @param directory - the kernel's directory of devices
 */
export function ownerByFiles(device: string, directory: string): RivalOwner {
  if (existsSync(join(directory, device, BRIDGE_DIRECTORY))) return { kind: "bridge" };
  return { kind: existsSync(join(directory, device)) ? "device" : "unknown" };
}

async function readRoutes(): Promise<string> {
  try {
    return await readFile(ROUTES, "utf8");
  } catch (err) {
    throw fileError(`Cannot read ${ROUTES}`, ROUTES, err);
  }
}

/** Eight hex digits of a number that has the address's bytes in memory. */
function readAddress(hex: string): Ipv4Address {
  const bytes = Buffer.from(hex, "hex");
  if (bytes.length !== 4) return new Ipv4Address(0);
  return new Ipv4Address(endianness() === "LE" ? bytes.readUInt32LE() : bytes.readUInt32BE());
}

function bitsOf({ value }: Ipv4Address): number {
  return value.toString(2).replaceAll("0", "").length;
}
