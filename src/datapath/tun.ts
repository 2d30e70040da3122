/** Opens and keeps TUN devices: bare IP packets, one per read or write. */
import { closeSync } from "node:fs";
import { OverlayError } from "../net/overlay-error.ts";
import type { ErrorCode } from "../net/overlay-error.ts";
import { errnoName, loadAddon } from "./addon.ts";

/** Names the kernel takes (IFNAMSIZ 16 with its NUL) and that cannot be a template such as "tun%d". */
const DEVICE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/;

export interface OpenTunOptions {
  /**
   * True: the device, with its addresses and routes, stays when the descriptor is closed or the process dies,
   * so packets for the overlay wait or are dropped there and never leave by another route.
   */
  readonly isPersistent: boolean;
}

/**
 * Opens the TUN `name`, adopting one that an earlier run left and creating it otherwise. The descriptor is
 * non-blocking and close-on-exec; the caller owns it (`fs.closeSync`). The device belongs to the user of the process:
 * while nobody is attached, only that user and CAP_NET_ADMIN get in.
 * @throws {OverlayError} `ERR_TUN_BUSY` while another process is attached, `ERR_TUN_DENIED` without the
 *   capability or the device node, `ERR_TUN_FAILED` when a device of another kind has the name
 * @throws {RangeError} when `name` cannot be a device name
 */
export function openTun(name: string, options: OpenTunOptions): number {
  if (!DEVICE_NAME.test(name)) {
    throw new RangeError(`Cannot open a TUN: a device name has 1 to 15 of A-Z a-z 0-9 _ . -, got "${name}"`);
  }
  const fd = loadAddon().tunOpen(name);
  if (fd < 0) throw tunError("open", name, fd);
  const status = loadAddon().tunSetPersistent(fd, options.isPersistent);
  if (status < 0) {
    closeSync(fd);
    throw tunError("set the persistence of", name, status);
  }
  return fd;
}

function tunError(action: string, name: string, errno: number): OverlayError {
  const errorName = errnoName(errno);
  const [code, reason] = explain(errorName);
  return new OverlayError(code, `Cannot ${action} TUN ${name}: ${reason}`, { tun: name, errno: errorName });
}

function explain(errorName: string): [ErrorCode, string] {
  switch (errorName) {
    case "EBUSY":
      return ["ERR_TUN_BUSY", "another process is attached to it"];
    case "EINVAL":
      return ["ERR_TUN_FAILED", "a device of this name exists that is not a TUN with a single queue"];
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
