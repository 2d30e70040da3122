/**
 * Reads and writes packets on a descriptor that keeps their boundaries: a TUN, or one end of
 * {@link openPacketPair}. Nothing here waits, allocates or throws; a negative result is an errno.
 *
 *   -EAGAIN  nothing to read, or no room to write: wait for the watch
 *   -EIO     write: the device is down
 *   -EINVAL  write: the TUN does not take it for an IP packet; or arguments that do not fit each other
 *   -EBADFD  the device was deleted under us
 *   -EPIPE   write: the other end of a packet pair is closed; first one -ECONNRESET if it left packets unread
 */
import { constants } from "node:os";
import { OverlayError } from "../net/overlay-error.ts";
import { errnoName, loadAddon } from "../addon/addon.ts";

export const EAGAIN = constants.errno.EAGAIN;
export { EBADFD } from "../addon/addon.ts";

/**
 * Reads one packet to `buffer[offset, offset + length)`; gives its length, 0 when the other end of a packet pair is
 * closed. A packet longer than `length` is cut without a sign, so make `length` more than the MTU and drop what fills it.
 */
export function readPacket(fd: number, buffer: Uint8Array, offset: number, length: number): number {
  return loadAddon().packetRead(fd, buffer, offset, length);
}

/**
 * Writes `buffer[offset, offset + length)` as one packet; gives the number of bytes taken, which is all. A TUN looks
 * at the version alone and takes 1 byte as well as 4 MiB: whether it is a whole IP packet is for the caller to check.
 */
export function writePacket(fd: number, buffer: Uint8Array, offset: number, length: number): number {
  return loadAddon().packetWrite(fd, buffer, offset, length);
}

/**
 * Two connected descriptors, non-blocking and close-on-exec, on which each write is one packet for the other
 * end (AF_UNIX SOCK_SEQPACKET). Stands in for a TUN where there is no root: an engine cannot tell. The caller
 * owns both. @throws {OverlayError} `ERR_SOCKET_FAILED`
 */
export function openPacketPair(): [number, number] {
  const fds = new Int32Array(2);
  const status = loadAddon().packetPair(fds);
  if (status < 0) {
    throw new OverlayError("ERR_SOCKET_FAILED", `Cannot open a packet pair: ${errnoName(status)}`);
  }
  return [fds[0] ?? -1, fds[1] ?? -1];
}
