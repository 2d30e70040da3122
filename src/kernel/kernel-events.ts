/** Tells when the kernel's network state changes: one netlink socket for devices and routes, one for the firewall. */
import { closeSync } from "node:fs";
import { errnoName, loadAddon } from "../addon/addon.ts";
import type { ReadableWatch } from "../addon/readable-watch.ts";
import { watchReadable } from "../addon/readable-watch.ts";
import { OverlayError } from "../net/overlay-error.ts";
import type { KernelChanges, KernelInterest } from "./kernel-interest.ts";
import { NO_INTEREST, decodeChanges, encodeInterest } from "./kernel-interest.ts";

export interface KernelEventsOptions {
  /**
   * Queue of each socket for notifications not yet read. With CAP_NET_ADMIN the host's limit (net.core.rmem_max) does
   * not hold. Default: {@link DEFAULT_RECEIVE_BUFFER_BYTES}.
   */
  readonly receiveBufferBytes?: number;
  /** Runs from the event loop, at most once a turn for each socket; what it throws is an uncaught exception. */
  readonly onChange: (changes: KernelChanges) => void;
}

/** A running listener. It keeps the process alive until it is closed. */
export interface KernelEvents {
  /** How often notifications were lost. */
  readonly overflows: number;
  /** Why `firewall` is never said, such as `EPERM, CAP_NET_ADMIN is missing`; null: it is, when it changes. */
  readonly firewallProblem: string | null;
  /**
   * Sets what counts from here on, also of what waits unread. Before the first call these count: routes of ours that
   * go, default routes, the firewall and overflow.
   * @throws {RangeError} as {@link encodeInterest}
   */
  watch(interest: KernelInterest): void;
  /** Stops for good and leaves nothing behind. Twice is no error. */
  close(): void;
}

/** Holds 10,000 changes of routes, of 832 bytes each: the kernel gives twice what it is asked for. Taken only while they wait. */
export const DEFAULT_RECEIVE_BUFFER_BYTES = 4 * 2 ** 20;

/**
 * Listens to the changes of this network namespace, whoever makes them, this process included.
 * @throws {OverlayError} `ERR_ADDON_MISSING`; `ERR_SOCKET_FAILED` when there is no socket for devices and routes
 */
export function openKernelEvents(options: KernelEventsOptions): KernelEvents {
  return new Listener(options);
}

class Listener implements KernelEvents {
  readonly firewallProblem: string | null;
  overflows = 0;
  readonly #onChange: KernelEventsOptions["onChange"];
  readonly #sockets: NetlinkSocket[];
  #interest = encodeInterest(NO_INTEREST);

  constructor({ receiveBufferBytes = DEFAULT_RECEIVE_BUFFER_BYTES, onChange }: KernelEventsOptions) {
    this.#onChange = onChange;
    const addon = loadAddon();
    const route = addon.netlinkOpenRoute(receiveBufferBytes);
    if (route < 0) throw socketError("open a socket for", route);
    const firewall = addon.netlinkOpenFirewall(receiveBufferBytes);
    this.firewallProblem = firewall < 0 ? explainNoFirewall(errnoName(firewall)) : null;
    const fds = firewall < 0 ? [route] : [route, firewall];
    this.#sockets = fds.map((fd) => new NetlinkSocket(fd, () => this.#read(fd)));
    this.#startSockets();
  }

  watch(interest: KernelInterest): void {
    this.#interest = encodeInterest(interest);
  }

  close(): void {
    for (const socket of this.#sockets.splice(0)) socket.close();
  }

  #startSockets(): void {
    try {
      for (const socket of this.#sockets) socket.start();
    } catch (err) {
      this.close();
      throw err;
    }
  }

  #read(fd: number): void {
    const bits = loadAddon().netlinkRead(fd, this.#interest);
    if (bits < 0) throw socketError("read", bits);
    const changes = decodeChanges(bits);
    if (changes === null) return;
    if (changes.overflow) this.overflows++;
    this.#onChange(changes);
  }
}

/** A netlink socket in the event loop. */
class NetlinkSocket {
  readonly #fd: number;
  readonly #read: () => void;
  #watch: ReadableWatch | null = null;

  constructor(fd: number, read: () => void) {
    this.#fd = fd;
    this.#read = read;
  }

  start(): void {
    this.#watch = watchReadable(this.#fd, (errno) => {
      if (errno < 0) this.#startAgain();
      this.#read();
    });
  }

  close(): void {
    this.#watch?.close();
    closeSync(this.#fd);
  }

  /** The kernel says by POLLERR that notifications were lost, at which libuv ends its watch; the socket lives on. */
  #startAgain(): void {
    this.#watch?.close();
    this.start();
  }
}

function socketError(action: string, status: number): OverlayError {
  const errno = errnoName(status);
  return new OverlayError("ERR_SOCKET_FAILED", `Cannot ${action} the kernel's notifications: ${errno}`, {
    errno,
  });
}

function explainNoFirewall(errorName: string): string {
  switch (errorName) {
    case "EPERM":
      return "EPERM, CAP_NET_ADMIN is missing";
    case "EPROTONOSUPPORT":
      return "EPROTONOSUPPORT, the kernel has no nftables";
    default:
      return errorName;
  }
}
