/** Tells when a descriptor that Node.js has no stream for, such as a TUN, has something to read. */
import { OverlayError } from "../net/overlay-error.ts";
import { errnoName, loadAddon } from "./addon.ts";

/** A running watch. It keeps the process alive until it is closed. */
export interface ReadableWatch {
  /** Stops for good and leaves nothing behind. Comes before the descriptor is closed. Twice is no error. */
  close(): void;
}

/**
 * Calls `onReadable(0)` from the event loop as long as `fd` has something to read: once per turn, so a callback
 * that leaves something unread is called again after timers and other sockets had theirs. There is no thread and
 * nothing to re-arm: the loop's own epoll holds the descriptor. What `onReadable` throws is an uncaught exception.
 *
 * `onReadable(-errno)` is the last call: the descriptor is broken, which for a TUN means that the device was
 * deleted; the watch must still be closed.
 * @throws {OverlayError} `ERR_SOCKET_FAILED` when `fd` cannot be polled, or is watched already
 */
export function watchReadable(fd: number, onReadable: (errno: number) => void): ReadableWatch {
  const addon = loadAddon();
  const watch = addon.watchOpen(fd, onReadable);
  if (typeof watch === "number") {
    const errno = errnoName(watch);
    throw new OverlayError("ERR_SOCKET_FAILED", `Cannot watch descriptor ${fd}: ${errno}`, { fd, errno });
  }
  return { close: () => void addon.watchClose(watch) };
}
