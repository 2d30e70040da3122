/** Device, socket and packet engine, opened as one: all of them, or nothing is left. */
import { closeSync } from "node:fs";
import { describeDatapath } from "../../datapath/choose-engine.ts";
import type { ChosenEngine, DatapathState } from "../../datapath/choose-engine.ts";
import type { PacketEngine, PacketEngineOptions } from "../../datapath/packet-engine.ts";
import { closeTun, openTun } from "../../datapath/tun.ts";
import type { OpenTun, OpenTunOptions } from "../../datapath/tun.ts";
import { openUnderlaySocket } from "../../datapath/underlay-socket.ts";
import type { IpCommand } from "../../kernel/ip-command.ts";
import { silenceIpv6 } from "../../kernel/ipv6-silence.ts";
import type { Link } from "../../kernel/links.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import type { BackendContext } from "../backend.ts";
import { acceptOwnErrors } from "./device-sysctls.ts";
import { planDevice, planGivingWay, planUndo, readDevice } from "./overlay-device.ts";
import type { PresentDevice, WantedDevice } from "./overlay-device.ts";
import type { TunnelSpec } from "./tunnel-spec.ts";

/**
 * Each queue of the underlay socket: 10 ms of 12 Gbit/s, for the times when this process is kept from running. With 4 MiB
 * a transfer at that rate lost some hundred batches in 4 s, and its speed with them.
 */
const SOCKET_BUFFER_BYTES = 16 * 1024 * 1024;
const PROBE_DEVICE = "twill-probe";
const ANY_PORT = 0;

/** What a tunnel is made of, before the node has a subnet. */
export interface TunnelParts {
  readonly context: BackendContext;
  readonly spec: TunnelSpec;
  readonly chosen: ChosenEngine & Pick<PacketEngineOptions, "sourcePort">;
}

export interface TunnelOptions extends TunnelParts {
  readonly ownSubnet: Ipv4Prefix;
}

export interface Tunnel {
  readonly engine: PacketEngine;
  readonly datapath: DatapathState;
  /** Index of the device that `engine` reads: another one of the same name is not it. */
  readonly interfaceIndex: number;
}

/** The device as it must be for these options. */
export function wantedDevice({ context, spec, ownSubnet }: TunnelOptions): WantedDevice {
  const { deviceName, overlayMtu } = spec;
  return { deviceName, network: context.network, address: ownSubnet.address, overlayMtu };
}

/**
 * Opens device and socket and closes them again: what another process holds, or the kernel refuses, is known
 * before anything is written to the registry. A device that was not there is gone again, one that was keeps its kind.
 * While a vxlan device that is to give way has name and port, others are tried: without a TUN it is not removed.
 * @throws {OverlayError} as {@link startTunnel} does
 */
export async function probeTunnel(ip: IpCommand, parts: TunnelParts, signal: AbortSignal): Promise<void> {
  const { spec, chosen } = parts;
  const { link, queueKind } = await readDevice(ip, spec.deviceName, signal);
  const givesWay = link?.kind === "vxlan";
  const [deviceName, port] = givesWay ? [PROBE_DEVICE, ANY_PORT] : [spec.deviceName, spec.port];
  const isPersistent = link !== null && !givesWay;
  const queues = queuesOf(queueKind, chosen.queues);
  closeTun(openDevice(deviceName, { isPersistent, queues, offload: chosen.offload }));
  closeSync(openSocket(parts, port));
}

/**
 * Opens the tunnel, adopting the device of an earlier run, or making it anew when it is of another kind. When a
 * step fails, what this call made is removed again and what was there before stays, or at least the blackhole
 * route, so that a failed restart leaks no packet.
 * @throws {OverlayError} `ERR_TUN_BUSY` while another process has the device; whatever the steps throw
 */
export async function startTunnel(
  ip: IpCommand,
  options: TunnelOptions,
  signal: AbortSignal,
): Promise<Tunnel> {
  const before = await readDevice(ip, options.spec.deviceName, signal);
  const unclosed: number[] = [];
  try {
    await removeVxlanDevice(ip, options, before, signal);
    await removeOtherKind(ip, options, before, signal);
    const { queues, offload } = options.chosen;
    const tun = openDevice(options.spec.deviceName, { isPersistent: true, queues, offload });
    unclosed.push(...tun.fds);
    const socketFd = openSocket(options, options.spec.port);
    unclosed.push(socketFd);
    const link = await configureDevice(ip, options, signal);
    unclosed.length = 0; // the engine's from here on, even when it cannot be opened
    const engine = await openEngine(tun, socketFd, options);
    const datapath = describeDatapath(options.chosen, tun);
    options.context.log.info(datapath, "Packet engine started");
    return { engine, datapath, interfaceIndex: link.index };
  } catch (err) {
    unclosed.forEach((fd) => closeSync(fd));
    await undo(ip, before, options);
    throw err;
  }
}

async function removeVxlanDevice(
  ip: IpCommand,
  options: TunnelOptions,
  before: PresentDevice,
  signal: AbortSignal,
): Promise<void> {
  const commands = planGivingWay(wantedDevice(options), before);
  if (commands.length === 0) return;
  await ip.apply(commands, signal);
  options.context.log.info(
    { device: options.spec.deviceName },
    "Kernel vxlan device removed to make a TUN of its name",
  );
}

/**
 * Removes a TUN that was made for one queue when several are wanted, or the other way round: the kernel changes
 * none into the other. It is opened as what it is, so that it is known to be nobody else's. Its routes are made
 * first: when the device goes and takes the route into it along, the blackhole is there.
 */
async function removeOtherKind(
  ip: IpCommand,
  options: TunnelOptions,
  before: PresentDevice,
  signal: AbortSignal,
): Promise<void> {
  const { link, queueKind } = before;
  const queues = queuesOf(queueKind, options.chosen.queues);
  if (link === null || queues === options.chosen.queues) return;
  const held = openDevice(options.spec.deviceName, { isPersistent: true, queues, offload: "off" });
  try {
    await ip.apply(planDevice(wantedDevice(options), link, before), signal);
  } finally {
    closeTun(held);
  }
  closeTun(openDevice(options.spec.deviceName, { isPersistent: false, queues, offload: "off" }));
  options.context.log.info(
    { device: options.spec.deviceName, queues: options.chosen.queues },
    "Overlay device removed to make it for another number of queues",
  );
}

/** The number of queues, as near to `wanted` as a device of this kind takes. */
function queuesOf(kind: PresentDevice["queueKind"], wanted: number): number {
  if (kind === null) return wanted;
  return kind === "one" ? 1 : Math.max(2, wanted);
}

function openDevice(deviceName: string, options: OpenTunOptions): OpenTun {
  try {
    return openTun(deviceName, options);
  } catch (err) {
    if (!(err instanceof OverlayError) || err.code !== "ERR_TUN_BUSY") throw err;
    throw new OverlayError(
      "ERR_TUN_BUSY",
      `Cannot open TUN ${deviceName}: another process is attached to it, stop the flanneld or twill agent that runs here`,
      err.fields,
      { cause: err },
    );
  }
}

function openSocket({ context }: TunnelParts, port: number): number {
  return openUnderlaySocket({
    address: context.underlay.interfaceIp,
    port,
    receiveBufferBytes: SOCKET_BUFFER_BYTES,
    sendBufferBytes: SOCKET_BUFFER_BYTES,
  });
}

async function configureDevice(ip: IpCommand, options: TunnelOptions, signal: AbortSignal): Promise<Link> {
  const { context, spec } = options;
  await acceptOwnErrors(spec.deviceName, context);
  await silenceIpv6(ip, spec.deviceName, context, signal);
  const present = await readDevice(ip, spec.deviceName, signal);
  if (present.link === null) {
    throw new OverlayError(
      "ERR_TUN_FAILED",
      `Cannot configure TUN ${spec.deviceName}: it was removed meanwhile`,
    );
  }
  await ip.apply(planDevice(wantedDevice(options), present.link, present), signal);
  return present.link;
}

function openEngine(tun: OpenTun, socketFd: number, options: TunnelOptions): Promise<PacketEngine> {
  const { context, spec, chosen, ownSubnet } = options;
  return chosen.open({
    tun,
    socketFd,
    peerPort: spec.port,
    framing: spec.framing,
    ownSubnet,
    ownSubnet6: null,
    tunAddress: ownSubnet.address,
    tunAddress6: null,
    overlayMtu: spec.overlayMtu,
    sourceCheck: context.sourceCheck,
    offload: chosen.offload,
    sourcePort: chosen.sourcePort,
    log: context.log,
  });
}

/** Runs also when the start was aborted: `ip` has its own deadline. */
async function undo(ip: IpCommand, before: PresentDevice, { context, spec }: TunnelOptions): Promise<void> {
  const { deviceName } = spec;
  const { signal } = new AbortController();
  try {
    await ip.apply(planUndo(before, await readDevice(ip, deviceName, signal)), signal);
  } catch (err) {
    context.log.warn({ err, device: deviceName }, "Cannot undo a failed start of the overlay device");
  }
}
