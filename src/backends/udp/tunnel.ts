/** Device, socket and packet engine of the udp backend, opened as one: all of them, or nothing is left. */
import { closeSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { describeDatapath } from "../../datapath/choose-engine.ts";
import type { ChosenEngine, DatapathState } from "../../datapath/choose-engine.ts";
import type { PacketEngine } from "../../datapath/packet-engine.ts";
import { closeTun, openTun } from "../../datapath/tun.ts";
import type { OpenTun, OpenTunOptions } from "../../datapath/tun.ts";
import { openUnderlaySocket } from "../../datapath/underlay-socket.ts";
import type { IpCommand } from "../../kernel/ip-command.ts";
import type { Link } from "../../kernel/links.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import type { BackendContext } from "../backend.ts";
import { DEVICE_NAME, planDevice, planUndo, readDevice } from "./overlay-device.ts";
import type { PresentDevice, WantedDevice } from "./overlay-device.ts";

/** IPv4 header 20 (RFC 791 section 3.1) and UDP header 8 (RFC 768); nothing of our own. */
export const UDP_OVERHEAD_BYTES = 28;
/**
 * Each queue of the underlay socket: 10 ms of 12 Gbit/s, for the times when this process is kept from running. With 4 MiB
 * a transfer at that rate lost some hundred batches in 4 s, and its speed with them.
 */
const SOCKET_BUFFER_BYTES = 16 * 1024 * 1024;

export interface TunnelOptions {
  readonly context: BackendContext;
  readonly chosen: ChosenEngine;
  readonly ownSubnet: Ipv4Prefix;
  /** UDP port of this node and of every peer. */
  readonly port: number;
}

export interface Tunnel {
  readonly engine: PacketEngine;
  readonly datapath: DatapathState;
  /** Index of the device that `engine` reads: another one of the same name is not it. */
  readonly interfaceIndex: number;
}

/** The device as it must be for these options. */
export function wantedDevice({
  context,
  ownSubnet,
}: Pick<TunnelOptions, "context" | "ownSubnet">): WantedDevice {
  return {
    network: context.network,
    address: ownSubnet.address,
    overlayMtu: context.underlay.underlayMtu - UDP_OVERHEAD_BYTES,
  };
}

/**
 * Opens device and socket and closes them again: what another process holds, or the kernel refuses, is known
 * before anything is written to the registry. A device that was not there is gone again, one that was keeps its kind.
 * @throws {OverlayError} as {@link startTunnel} does
 */
export async function probeTunnel(
  ip: IpCommand,
  options: Pick<TunnelOptions, "context" | "chosen" | "port">,
  signal: AbortSignal,
): Promise<void> {
  const { link, queueKind } = await readDevice(ip, signal);
  const { queues, offload } = options.chosen;
  closeTun(openDevice({ isPersistent: link !== null, queues: queuesOf(queueKind, queues), offload }));
  closeSync(openSocket(options));
}

/**
 * Opens the tunnel, adopting the device of an earlier run, or making it anew when it is of the other kind. When a
 * step fails, what this call made is removed again and what was there before stays, or at least the blackhole
 * route, so that a failed restart leaks no packet.
 * @throws {OverlayError} `ERR_TUN_BUSY` while another process has the device; whatever the steps throw
 */
export async function startTunnel(
  ip: IpCommand,
  options: TunnelOptions,
  signal: AbortSignal,
): Promise<Tunnel> {
  const before = await readDevice(ip, signal);
  const unclosed: number[] = [];
  try {
    await removeOtherKind(ip, options, before, signal);
    const { queues, offload } = options.chosen;
    const tun = openDevice({ isPersistent: true, queues, offload });
    unclosed.push(...tun.fds);
    const socketFd = openSocket(options);
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

/**
 * Removes a device that was made for one queue when several are wanted, or the other way round: the kernel changes
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
  const held = openDevice({ isPersistent: true, queues, offload: "off" });
  try {
    await ip.apply(planDevice(wantedDevice(options), link, before), signal);
  } finally {
    closeTun(held);
  }
  closeTun(openDevice({ isPersistent: false, queues, offload: "off" }));
  options.context.log.info(
    { device: DEVICE_NAME, queues: options.chosen.queues },
    "Overlay device removed to make it for another number of queues",
  );
}

/** The number of queues, as near to `wanted` as a device of this kind takes. */
function queuesOf(kind: PresentDevice["queueKind"], wanted: number): number {
  if (kind === null) return wanted;
  return kind === "one" ? 1 : Math.max(2, wanted);
}

function openDevice(options: OpenTunOptions): OpenTun {
  try {
    return openTun(DEVICE_NAME, options);
  } catch (err) {
    if (!(err instanceof OverlayError) || err.code !== "ERR_TUN_BUSY") throw err;
    throw new OverlayError(
      "ERR_TUN_BUSY",
      `Cannot open TUN ${DEVICE_NAME}: another process is attached to it, stop the flanneld or twill agent that runs here`,
      err.fields,
      { cause: err },
    );
  }
}

function openSocket({ context, port }: Pick<TunnelOptions, "context" | "port">): number {
  return openUnderlaySocket({
    address: context.underlay.interfaceIp,
    port,
    receiveBufferBytes: SOCKET_BUFFER_BYTES,
    sendBufferBytes: SOCKET_BUFFER_BYTES,
  });
}

async function configureDevice(ip: IpCommand, options: TunnelOptions, signal: AbortSignal): Promise<Link> {
  await acceptOwnErrors(options);
  await silenceIpv6(ip, options, signal);
  const present = await readDevice(ip, signal);
  if (present.link === null) {
    throw new OverlayError("ERR_TUN_FAILED", `Cannot configure TUN ${DEVICE_NAME}: it was removed meanwhile`);
  }
  await ip.apply(planDevice(wantedDevice(options), present.link, present), signal);
  return present.link;
}

/**
 * Lets the kernel take the ICMP errors that the engine writes to the device: their source is the device's own
 * address, and without `accept_local` (ip-sysctl.rst) it drops what comes in with an address of this host.
 * Senders then time out instead of learning that there is no way, so a failure is worth a warning.
 *
 * Only under `strict`, where the engine refuses every source outside the peer's subnet, and so this host's own
 * addresses. Under `count` and `off` the kernel has to: it alone knows them all. That costs the errors.
 */
async function acceptOwnErrors({ context }: TunnelOptions): Promise<void> {
  const acceptLocal = context.sourceCheck === "strict" ? "1" : "0"; // an earlier run may have left the other
  try {
    await writeFile(`/proc/sys/net/ipv4/conf/${DEVICE_NAME}/accept_local`, acceptLocal);
  } catch (err) {
    context.log.warn({ err, device: DEVICE_NAME, acceptLocal }, "Cannot set accept_local of overlay device");
  }
}

/**
 * Keeps the kernel from sending IPv6 neighbour and router packets into a device that carries IPv4 alone.
 * They would be dropped and counted all the same, so failing here is no failure.
 */
async function silenceIpv6(ip: IpCommand, { context }: TunnelOptions, signal: AbortSignal): Promise<void> {
  try {
    await writeFile(`/proc/sys/net/ipv6/conf/${DEVICE_NAME}/disable_ipv6`, "1");
  } catch (err) {
    if (isMissingFile(err)) return; // the kernel has no IPv6
    // /proc/sys is read-only in most containers; without a link-local address the kernel is nearly as quiet.
    await ip
      .apply([["link", "set", "dev", DEVICE_NAME, "addrgenmode", "none"]], signal)
      .catch((cause: unknown) =>
        context.log.debug({ err: cause, device: DEVICE_NAME }, "Cannot silence IPv6 on overlay device"),
      );
  }
}

function isMissingFile(err: unknown): boolean {
  return err instanceof Error && "code" in err && err.code === "ENOENT";
}

function openEngine(tun: OpenTun, socketFd: number, options: TunnelOptions): Promise<PacketEngine> {
  const { context, chosen, ownSubnet, port } = options;
  const { address, overlayMtu } = wantedDevice(options);
  return chosen.open({
    tun,
    socketFd,
    peerPort: port,
    framing: { kind: "bare" },
    ownSubnet,
    ownSubnet6: null,
    tunAddress: address,
    tunAddress6: null,
    overlayMtu,
    sourceCheck: context.sourceCheck,
    offload: chosen.offload,
    sourcePort: chosen.sourcePort,
    log: context.log,
  });
}

/** Runs also when the start was aborted: `ip` has its own deadline. */
async function undo(ip: IpCommand, before: PresentDevice, { context }: TunnelOptions): Promise<void> {
  const { signal } = new AbortController();
  try {
    await ip.apply(planUndo(before, await readDevice(ip, signal)), signal);
  } catch (err) {
    context.log.warn({ err, device: DEVICE_NAME }, "Cannot undo a failed start of the overlay device");
  }
}
