/** Device, socket and packet engine of the udp backend, opened as one: all of them, or nothing is left. */
import { closeSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { openDgramEngine } from "../../datapath/dgram-engine.ts";
import type { PacketEngine } from "../../datapath/packet-engine.ts";
import { openTun } from "../../datapath/tun.ts";
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
/** Each queue of the underlay socket: 30 ms of 1 Gbit/s, for the times when this process is kept from running. */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;

export interface TunnelOptions {
  readonly context: BackendContext;
  readonly ownSubnet: Ipv4Prefix;
  /** UDP port of this node and of every peer. */
  readonly port: number;
}

export interface Tunnel {
  readonly engine: PacketEngine;
  /** Index of the device that `engine` reads: another one of the same name is not it. */
  readonly interfaceIndex: number;
}

/** The device as it must be for these options. */
export function wantedDevice({ context, ownSubnet }: TunnelOptions): WantedDevice {
  return {
    network: context.network,
    address: ownSubnet.address,
    overlayMtu: context.underlay.underlayMtu - UDP_OVERHEAD_BYTES,
  };
}

/**
 * Opens device and socket and closes them again: what another process holds, or the kernel refuses, is known
 * before anything is written to the registry. A device that was not there is gone again.
 * @throws {OverlayError} as {@link startTunnel} does
 */
export async function probeTunnel(
  ip: IpCommand,
  socket: Pick<TunnelOptions, "context" | "port">,
  signal: AbortSignal,
): Promise<void> {
  const { link } = await readDevice(ip, signal);
  closeSync(openDevice({ isPersistent: link !== null }));
  closeSync(openSocket(socket));
}

/**
 * Opens the tunnel, adopting the device of an earlier run. When a step fails, what this call made is removed
 * again and what was there before stays, so that a failed restart leaks no packet.
 * @throws {OverlayError} `ERR_TUN_BUSY` while another process has the device; whatever the steps throw
 */
export async function startTunnel(
  ip: IpCommand,
  options: TunnelOptions,
  signal: AbortSignal,
): Promise<Tunnel> {
  const before = await readDevice(ip, signal);
  const tunFd = openDevice({ isPersistent: true });
  const unclosed = [tunFd];
  try {
    const socketFd = openSocket(options);
    unclosed.push(socketFd);
    const link = await configureDevice(ip, options, signal);
    unclosed.length = 0; // the engine's from here on, even when it cannot be opened
    const engine = await openEngine(tunFd, socketFd, options);
    return { engine, interfaceIndex: link.index };
  } catch (err) {
    unclosed.forEach((fd) => closeSync(fd));
    await undo(ip, before, options);
    throw err;
  }
}

function openDevice(options: { readonly isPersistent: boolean }): number {
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

function openEngine(tunFd: number, socketFd: number, options: TunnelOptions): Promise<PacketEngine> {
  const { context, ownSubnet, port } = options;
  const { address, overlayMtu } = wantedDevice(options);
  return openDgramEngine({
    tunFd,
    socketFd,
    peerPort: port,
    ownSubnet,
    tunAddress: address,
    overlayMtu,
    sourceCheck: context.sourceCheck,
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
