/**
 * The kernel's vxlan device as flannel makes it, and the commands that lead there:
 *
 *   flannel.1: mtu OVERLAY_MTU, up, vxlan id 1 dev eth0 local 192.0.2.1 dstport 8472 nolearning
 *     link/ether 82:4b:00:00:00:01, address 10.244.7.0/32 (the first of the own subnet), alias twill
 *
 * What is right is not touched: packets go through it meanwhile.
 */
import { parseAddresses, planAddresses } from "../../../kernel/addresses.ts";
import type { InterfaceAddress } from "../../../kernel/addresses.ts";
import type { BatchCommand } from "../../../kernel/ip-batch.ts";
import { isRecord, numberOf, recordsOf, textOf } from "../../../kernel/json-fields.ts";
import type { JsonRecord } from "../../../kernel/json-fields.ts";
import { parseLinks, planLink } from "../../../kernel/links.ts";
import type { Link } from "../../../kernel/links.ts";
import { isOverlayAddress } from "../../../kernel/overlay-range.ts";
import type { OverlayRange } from "../../../kernel/overlay-range.ts";
import type { Ipv4Address } from "../../../net/ipv4.ts";
import type { MacAddress } from "../../../net/mac.ts";
import type { Underlay } from "../../backend.ts";
import { overlayMtuOf, vxlanDeviceName } from "../vxlan-options.ts";
import type { VxlanOptions } from "../vxlan-options.ts";

/** What follows from the configuration and the underlay. */
export interface DeviceShape {
  readonly deviceName: string;
  readonly vni: number;
  readonly port: number;
  /** Of the underlay: what the outer packets leave by. */
  readonly lowerDevice: string;
  /** Source of the outer packets. */
  readonly local: Ipv4Address;
  readonly isLearning: boolean;
  readonly hasGroupPolicy: boolean;
  readonly overlayMtu: number;
}

/** Works it out. @throws {OverlayError} `ERR_CONFIG_INVALID` when no packet fits the underlay's MTU */
export function deviceShape(underlay: Underlay, options: VxlanOptions): DeviceShape {
  const { vni, port, isLearning, hasGroupPolicy } = options;
  return {
    ...{ vni, port, isLearning, hasGroupPolicy },
    deviceName: vxlanDeviceName(vni),
    lowerDevice: underlay.interfaceName,
    local: underlay.interfaceIp, // not the public one: behind NAT this host does not have it
    overlayMtu: overlayMtuOf(options, underlay.underlayMtu),
  };
}

/** What must exist. Other addresses of the overlay's range are of earlier subnets, and go. */
export interface WantedDevice extends DeviceShape, OverlayRange {
  readonly vtepMac: MacAddress;
  /** Source of what the host itself sends to the overlay. */
  readonly address: Ipv4Address;
}

/** A device of the wanted name. */
export interface PresentDevice extends Link {
  readonly addresses: readonly InterfaceAddress[];
  /** A TUN that was made for several queues. */
  readonly hasQueues: boolean;
  /** Null when it is of another kind. */
  readonly vxlan: VxlanSettings | null;
}

/** What only a vxlan device has. */
export interface VxlanSettings {
  readonly vni: number | null;
  readonly port: number | null;
  readonly lowerDevice: string | null;
  readonly local: string | null;
  readonly isLearning: boolean;
  readonly hasGroupPolicy: boolean;
  /** It sends elsewhere than FDB entries say, or asks programs for them: nothing that flannel or we make. */
  readonly isOfOtherUse: boolean;
}

/** Reads the output of `ip -j -d address show dev NAME`; null when there is no such device in it. */
export function parsePresentDevice(json: unknown): PresentDevice | null {
  const [record] = recordsOf(json);
  const [link] = parseLinks(json);
  if (record === undefined || link === undefined) return null;
  const info = isRecord(record.linkinfo) ? record.linkinfo.info_data : null;
  const data = isRecord(info) ? info : {};
  return {
    ...link,
    addresses: parseAddresses(json),
    hasQueues: data.multi_queue === true,
    vxlan: link.kind === "vxlan" ? parseSettings(data) : null,
  };
}

/** `group`, `remote` and their IPv6 forms; the switches of ip-link(8). */
const OTHER_USES = [
  "group",
  "group6",
  "remote",
  "remote6",
  "local6",
  "external",
  "proxy",
  "rsc",
  "l2miss",
  "l3miss",
];

function parseSettings(data: JsonRecord): VxlanSettings {
  return {
    vni: numberOf(data, "id"),
    port: numberOf(data, "port"),
    lowerDevice: textOf(data, "link"),
    local: textOf(data, "local"),
    isLearning: data.learning === true,
    hasGroupPolicy: data.gbp === true,
    isOfOtherUse: OTHER_USES.some((name) => data[name] !== undefined && data[name] !== false),
  };
}

/** True for a vxlan device that can be made as wanted, and so keeps its MAC and what leads into it. */
export function isCompatible(shape: DeviceShape, { vxlan }: PresentDevice): boolean {
  return (
    vxlan !== null &&
    vxlan.vni === shape.vni &&
    vxlan.port === shape.port &&
    vxlan.lowerDevice === shape.lowerDevice &&
    vxlan.hasGroupPolicy === shape.hasGroupPolicy &&
    !vxlan.isOfOtherUse
  );
}

/** Makes the device, and leaves it down: what is to be set before can be. */
export function planMaking(shape: DeviceShape, vtepMac: MacAddress): BatchCommand[] {
  const { deviceName, overlayMtu, port, hasGroupPolicy } = shape;
  const link = ["address", vtepMac.toString(), "mtu", `${overlayMtu}`, "txqueuelen", "0"];
  const fixed = ["dstport", `${port}`, ...(hasGroupPolicy ? ["gbp"] : [])];
  return [["link", "add", deviceName, ...link, ...settings(shape), ...fixed]];
}

/** Commands that make a compatible device as wanted; none when it is. */
export function planRepair(wanted: WantedDevice, present: PresentDevice): BatchCommand[] {
  const { deviceName, vtepMac, overlayMtu, address } = wanted;
  const change: BatchCommand = ["link", "set", "dev", deviceName, ...settings(wanted)];
  return [
    ...(hasSettings(wanted, present) ? [] : [change]),
    ...planAddresses(deviceName, { address, prefixLength: 32 }, present.addresses, (other) =>
      isOverlayAddress(wanted, other),
    ),
    ...planLink({ mtu: overlayMtu, mac: vtepMac }, present),
  ];
}

function hasSettings({ local, isLearning }: DeviceShape, { vxlan }: PresentDevice): boolean {
  return vxlan?.local === local.toString() && vxlan.isLearning === isLearning;
}

/** What the kernel changes while the device lives; the lower device is always said, lest it be forgotten. */
function settings({ vni, lowerDevice, local, isLearning }: DeviceShape): string[] {
  const learning = isLearning ? "learning" : "nolearning";
  return ["type", "vxlan", "id", `${vni}`, "dev", lowerDevice, "local", local.toString(), learning];
}
