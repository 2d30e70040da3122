/** Makes the kernel's vxlan device, adopts one that stands, and keeps it as it must be. */
import type { Logger } from "pino";
import { closeTun, openTun } from "../../../datapath/tun.ts";
import type { BatchCommand } from "../../../kernel/ip-batch.ts";
import type { IpCommand } from "../../../kernel/ip-command.ts";
import { silenceIpv6 } from "../../../kernel/ipv6-silence.ts";
import { readDeviceJson } from "../../../kernel/links.ts";
import { blackholeRoute, planRoutes, readRoutesTo } from "../../../kernel/routes.ts";
import type { Ipv4Prefix } from "../../../net/ipv4.ts";
import type { MacAddress } from "../../../net/mac.ts";
import { OverlayError } from "../../../net/overlay-error.ts";
import { isCompatible, parsePresentDevice, planMaking, planRepair } from "./device-plan.ts";
import type { DeviceShape, PresentDevice, WantedDevice } from "./device-plan.ts";

/** Most looks at the device: it is made, completed and looked at again; the others are for who changes it meanwhile. */
const MAX_LOOKS = 5;
const PROBE_DEVICE = "twill-probe";
/** What the kernel, or `ip`, says when it has no vxlan. */
const NO_VXLAN = /Unknown device type|Operation not supported/;

export interface DeviceDeps {
  readonly ip: IpCommand;
  readonly log: Logger;
}

/** What was found and done. */
export interface EnsuredDevice {
  readonly index: number;
  /** How it came here: `adopted` stood before, `replaced` has the place of another of its name. */
  readonly origin: "adopted" | "made" | "replaced";
  /** What was changed, in order. */
  readonly changes: readonly BatchCommand[];
}

/** The device of this name, or null. */
export async function readDevice(
  ip: IpCommand,
  deviceName: string,
  signal: AbortSignal,
): Promise<PresentDevice | null> {
  return parsePresentDevice(await readDeviceJson(ip, deviceName, signal));
}

/** What `advertise` knows. */
export interface DeviceProbe {
  readonly shape: DeviceShape;
  readonly vtepMac: MacAddress;
  /** The device of that name, or null. */
  readonly present: PresentDevice | null;
}

/**
 * Tries whether {@link ensureDevice} could work, and leaves no trace: what keeps the kernel from making the device is
 * known before anything is written to the registry.
 * @throws {OverlayError} as {@link ensureDevice} does
 */
export async function probeDevice(
  { ip }: DeviceDeps,
  { shape, vtepMac, present }: DeviceProbe,
  signal: AbortSignal,
): Promise<void> {
  if (present?.kind === "vxlan") return; // the kernel has vxlan, and what has the name gives way
  if (present !== null) openTunOf(shape.deviceName, present, { isPersistent: true });
  const trial = [
    ...planMaking({ ...shape, deviceName: PROBE_DEVICE }, vtepMac),
    ["link", "set", "dev", PROBE_DEVICE, "addrgenmode", "none"],
    ["link", "set", "dev", PROBE_DEVICE, "up"], // which takes the UDP port
    ["link", "del", "dev", PROBE_DEVICE],
  ];
  await ip.apply(trial, signal).catch(explain);
}

/**
 * Makes the blackhole route and the device; when the device fails, what was not there before is gone again.
 * @throws {OverlayError} as {@link ensureDevice} does
 */
export async function openDevice(
  deps: DeviceDeps,
  wanted: WantedDevice,
  signal: AbortSignal,
): Promise<EnsuredDevice> {
  const before = await readDevice(deps.ip, wanted.deviceName, signal);
  const blackhole = await makeBlackhole(deps.ip, wanted.network, signal);
  try {
    return await ensureDevice(deps, wanted, signal);
  } catch (err) {
    await undo(deps.ip, wanted.deviceName, before, blackhole);
    throw err;
  }
}

/**
 * Looks, changes what is not as wanted, and looks again, until nothing is. What cannot be kept goes with its routes,
 * and the blackhole takes their packets.
 * @throws {OverlayError} `ERR_TUN_BUSY` while a process has a TUN of that name; `ERR_KERNEL_FAILED` when a device of
 *   another kind has it, the kernel refuses, or somebody else undoes every change
 */
export async function ensureDevice(
  deps: DeviceDeps,
  wanted: WantedDevice,
  signal: AbortSignal,
): Promise<EnsuredDevice> {
  const changes: BatchCommand[] = [];
  let origin: EnsuredDevice["origin"] = "adopted";
  for (let look = 1; look <= MAX_LOOKS; look++) {
    const present = await readDevice(deps.ip, wanted.deviceName, signal);
    const isKept = present !== null && isCompatible(wanted, present);
    if (isKept) {
      const repairs = planRepair(wanted, present);
      if (repairs.length === 0) return { index: present.index, origin, changes };
      if (!present.isUp) await silenceIpv6(deps.ip, wanted.deviceName, deps, signal);
      await deps.ip.apply(repairs, signal);
      changes.push(...repairs);
    } else {
      changes.push(...(await makeAnew(deps.ip, wanted, present, signal)));
      if (origin !== "replaced") origin = present === null ? "made" : "replaced";
    }
  }
  throw undone(wanted.deviceName, changes);
}

/** A TUN is the user-space data path's, and any vxlan device of the name flannel's or ours: they give way. */
async function makeAnew(
  ip: IpCommand,
  wanted: WantedDevice,
  present: PresentDevice | null,
  signal: AbortSignal,
): Promise<BatchCommand[]> {
  const { deviceName, network, vtepMac } = wanted;
  await makeBlackhole(ip, network, signal);
  const isVxlan = present?.kind === "vxlan";
  if (present !== null && !isVxlan) openTunOf(deviceName, present, { isPersistent: false });
  const commands = [...(isVxlan ? [["link", "del", "dev", deviceName]] : []), ...planMaking(wanted, vtepMac)];
  await ip.apply(commands, signal).catch(explain);
  return commands;
}

/** Resolves with what it had to do. */
async function makeBlackhole(
  ip: IpCommand,
  network: Ipv4Prefix,
  signal: AbortSignal,
): Promise<BatchCommand[]> {
  const present = await readRoutesTo(ip, network, signal);
  const commands = planRoutes([blackholeRoute(network)], present, () => false);
  await ip.apply(commands, signal);
  return commands;
}

/**
 * Runs also when the start was aborted: `ip` has its own deadline. Where a device that stood before is lost, the blackhole
 * stays in the place of its routes. What cannot be undone is for the next start.
 */
async function undo(
  ip: IpCommand,
  deviceName: string,
  before: PresentDevice | null,
  blackhole: readonly BatchCommand[],
): Promise<void> {
  const { signal } = new AbortController();
  const present = await readDevice(ip, deviceName, signal).catch(() => null);
  const isLost = before !== null && present?.index !== before.index;
  const commands = [
    ...(isLost ? [] : blackhole.map(([room = "", , ...route]) => [room, "del", ...route])),
    ...(before === null && present !== null ? [["link", "del", "dev", deviceName]] : []),
  ];
  await ip.apply(commands, signal).catch(() => undefined);
}

function undone(deviceName: string, changes: readonly BatchCommand[]): OverlayError {
  const last = changes.at(-1)?.join(" ") ?? "";
  return new OverlayError(
    "ERR_KERNEL_FAILED",
    `Cannot keep vxlan device ${deviceName} as it must be: somebody undoes "ip ${last}", tell network managers to leave the device alone`,
    { device: deviceName },
  );
}

/** Opens and closes a TUN, which is gone then, or stays. @throws {OverlayError} when it is none, or somebody has it */
function openTunOf(
  deviceName: string,
  { kind, hasQueues }: PresentDevice,
  { isPersistent }: { readonly isPersistent: boolean },
): void {
  if (kind !== "tun") throw otherKind(deviceName, kind);
  try {
    closeTun(openTun(deviceName, { isPersistent, queues: hasQueues ? 2 : 1, offload: "off" }));
  } catch (err) {
    if (!(err instanceof OverlayError) || err.code !== "ERR_TUN_BUSY") throw err;
    throw new OverlayError(
      "ERR_TUN_BUSY",
      `Cannot make vxlan device ${deviceName}: another process is attached to a TUN of that name, stop the twill agent that runs here`,
      err.fields,
      { cause: err },
    );
  }
}

function otherKind(deviceName: string, kind: string | null): OverlayError {
  return new OverlayError(
    "ERR_KERNEL_FAILED",
    `Cannot make vxlan device ${deviceName}: a device of that name exists whose kind is ${kind ?? "unknown"}, remove it`,
    { device: deviceName },
  );
}

/** @throws what was thrown, or what a person can do about it */
function explain(err: unknown): never {
  if (!(err instanceof OverlayError) || !NO_VXLAN.test(err.message)) throw err;
  throw new OverlayError(
    "ERR_KERNEL_FAILED",
    "Cannot make a vxlan device: this kernel has none, load the module vxlan or use --datapath=user",
    {},
    { cause: err },
  );
}
