/** Opens and keeps TUN devices. */
import { closeSync } from "node:fs";
import { PLAIN_DEVICE_NAME_ADVICE, isPlainDeviceName } from "../net/device-name.ts";
import { OverlayError } from "../net/overlay-error.ts";
import type { ErrorCode } from "../net/overlay-error.ts";
import { TUN_BITS, errnoName, loadAddon } from "../addon/addon.ts";

/** An open TUN, as a packet engine takes it over. */
export interface OpenTun {
  /** One non-blocking descriptor for each queue. */
  readonly fds: readonly number[];
  /**
   * True: each packet has a `struct virtio_net_hdr` of 10 bytes in front (include/uapi/linux/virtio_net.h), its
   * checksum may be unfinished, and one read or write may carry a run of TCP segments. False: bare IP packets.
   */
  readonly hasVnetHeader: boolean;
  /** With a header, one read or write may carry a run of UDP datagrams too (kernel 6.2). */
  readonly takesUdpRuns: boolean;
}

export interface OpenTunOptions {
  /**
   * True: the device, with its addresses and routes, stays when the descriptor is closed or the process dies,
   * so packets for the overlay wait or are dropped there and never leave by another route.
   */
  readonly isPersistent: boolean;
  /** 1 to {@link MAX_QUEUES}. A device is made for one queue or for several and keeps that as long as it lives. */
  readonly queues: number;
  /** `auto`: with virtio-net headers and every offload the kernel knows, if it has any. `off`: bare, complete packets. */
  readonly offload: "auto" | "off";
}

/** Most queues of a packet engine: as many as it has sockets for (native/engine/sockets.h). */
export const MAX_QUEUES = 16;

/**
 * Opens the TUN `name`, adopting one that an earlier run left and creating it otherwise; what that run set on it
 * is overwritten. The descriptors are non-blocking and close-on-exec; the caller owns them. The device belongs to
 * the user of the process: while nobody is attached, only that user and CAP_NET_ADMIN get in.
 * @throws {OverlayError} `ERR_TUN_BUSY` while another process is attached, `ERR_TUN_DENIED` without the
 *   capability or the device node, `ERR_TUN_FAILED` when a device of another kind has the name
 * @throws {RangeError} when `name` cannot be a device name, or the number of queues is not 1 to {@link MAX_QUEUES}
 */
export function openTun(name: string, options: OpenTunOptions): OpenTun {
  checkArguments(name, options);
  const fds = new Int32Array(options.queues);
  const bits = loadAddon().tunOpen(name, options.offload === "auto", fds);
  if (bits < 0) throw tunError("open", name, bits, options);
  const tun = {
    fds: [...fds],
    hasVnetHeader: (bits & TUN_BITS.hasVnetHeader) !== 0,
    takesUdpRuns: (bits & TUN_BITS.takesUdpRuns) !== 0,
  };
  const status = loadAddon().tunSetPersistent(tun.fds[0] ?? -1, options.isPersistent);
  if (status >= 0) return tun;
  closeTun(tun);
  throw tunError("set the persistence of", name, status, options);
}

/** Closes every queue; a device that is not persistent is gone then. */
export function closeTun({ fds }: Pick<OpenTun, "fds">): void {
  for (const fd of fds) closeSync(fd);
}

function checkArguments(name: string, { queues }: OpenTunOptions): void {
  if (!isPlainDeviceName(name)) {
    throw new RangeError(`Cannot open a TUN named ${JSON.stringify(name)}: ${PLAIN_DEVICE_NAME_ADVICE}`);
  }
  if (!Number.isInteger(queues) || queues < 1 || queues > MAX_QUEUES) {
    throw new RangeError(`Cannot open a TUN: it has 1 to ${MAX_QUEUES} queues, got ${queues}`);
  }
}

function tunError(action: string, name: string, errno: number, { queues }: OpenTunOptions): OverlayError {
  const errorName = errnoName(errno);
  const [code, reason] = explain(errorName, queues);
  return new OverlayError(code, `Cannot ${action} TUN ${name}: ${reason}`, { tun: name, errno: errorName });
}

function explain(errorName: string, queues: number): [ErrorCode, string] {
  switch (errorName) {
    case "EBUSY":
      return ["ERR_TUN_BUSY", "another process is attached to it"];
    case "EINVAL":
      return [
        "ERR_TUN_FAILED",
        `a device of this name exists that is not a TUN ${queues === 1 ? "with a single queue" : "for several queues"}`,
      ];
    case "EPERM":
    case "EACCES":
      return [
        "ERR_TUN_DENIED",
        `${errorName}, the process needs CAP_NET_ADMIN and, in a container, the device /dev/net/tun`,
      ];
    case "ENOENT":
    case "ENODEV":
    case "ENXIO":
      return [
        "ERR_TUN_DENIED",
        `${errorName}, there is no /dev/net/tun: load the module tun or, in a container, add the device`,
      ];
    default:
      return ["ERR_TUN_FAILED", errorName];
  }
}
