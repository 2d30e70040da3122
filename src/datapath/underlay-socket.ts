/** The UDP socket to the other nodes: opened here with the options node:dgram has no word for. */
import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { closeSync } from "node:fs";
import type { Ipv4Address } from "../net/ipv4.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { errnoName, loadAddon } from "../addon/addon.ts";

export interface UnderlaySocketOptions {
  /** Address of the underlay interface; 0.0.0.0 takes datagrams for any address of the host. */
  readonly address: Ipv4Address;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /**
   * Queue for datagrams not yet read. With CAP_NET_ADMIN the host's limit (net.core.rmem_max) does not hold;
   * without it the kernel gives no more than that, and says nothing. It counts its own overhead and shows twice
   * the value.
   */
  readonly receiveBufferBytes: number;
  /** The same for datagrams on their way out, with net.core.wmem_max. */
  readonly sendBufferBytes: number;
}

/**
 * Opens and binds an IPv4 UDP socket, non-blocking and close-on-exec. Its datagrams leave with DF clear, so an
 * inner packet that fills the overlay MTU still passes a path that is narrower than the underlay's own MTU, in
 * fragments. The caller owns the descriptor; an engine on node:dgram hands it to {@link adoptUnderlaySocket}.
 * @throws {OverlayError} `ERR_SOCKET_FAILED`
 */
export function openUnderlaySocket(options: UnderlaySocketOptions): number {
  const { address, port, receiveBufferBytes, sendBufferBytes } = options;
  const fd = loadAddon().udpSocketOpen(address.value, port, receiveBufferBytes, sendBufferBytes);
  if (fd < 0) throw socketError(address, port, fd);
  return fd;
}

/**
 * Makes a node:dgram socket, already listening, of a descriptor from {@link openUnderlaySocket}. From here on the
 * descriptor is the socket's: `socket.close()` closes it and nobody else may; when this throws, it is closed.
 * Add the "message" listener before the event loop turns, or the first datagrams are lost.
 *
 * libuv's uv_udp_open sets SO_REUSEADDR on any socket it adopts, and with it any local user could bind the same
 * address and port and take the datagrams; so it is cleared again.
 * @throws {OverlayError} `ERR_SOCKET_FAILED`
 */
export function adoptUnderlaySocket(fd: number): Socket {
  const socket = createSocket({ type: "udp4", lookup: answerAtOnce });
  try {
    socket.bind({ fd }); // with a descriptor this is done when it returns
  } catch (err) {
    socket.close();
    closeSync(fd);
    throw new OverlayError(
      "ERR_SOCKET_FAILED",
      `Cannot adopt descriptor ${fd} as UDP socket`,
      { fd },
      { cause: err },
    );
  }
  const status = loadAddon().udpSocketForbidReuse(fd);
  if (status < 0) {
    socket.close();
    const errno = errnoName(status);
    throw new OverlayError("ERR_SOCKET_FAILED", `Cannot clear SO_REUSEADDR of descriptor ${fd}: ${errno}`, {
      fd,
      errno,
    });
  }
  return socket;
}

/**
 * How often the kernel's counters of drops at a socket are read at least. They have 32 bits: at 10 million datagrams a
 * second they come round after 7 minutes.
 */
export const READ_DROPS_INTERVAL_MS = 60_000;

/** Counts the datagrams that the kernel dropped at a socket because its queue was full. */
export class QueueDrops {
  readonly #fd: number;
  #seen = 0;
  #sum = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** All since the socket was opened. To be called every {@link READ_DROPS_INTERVAL_MS}; not after it was closed. */
  read(): number {
    const drops = loadAddon().udpSocketDrops(this.#fd);
    this.#sum += (drops - this.#seen) >>> 0;
    this.#seen = drops;
    return this.#sum;
  }

  /** What {@link read} gave last. */
  get last(): number {
    return this.#sum;
  }
}

/**
 * Our peers have addresses, not names. Node's own lookup answers an address one tick later: a send that a `close`
 * overtakes would then end without a callback, and each send costs 5 % more.
 */
function answerAtOnce(
  address: string,
  _options: unknown,
  callback: (err: null, address: string, family: number) => void,
): void {
  callback(null, address, 4);
}

function socketError(address: Ipv4Address, port: number, errno: number): OverlayError {
  const errorName = errnoName(errno);
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: "another process has it",
    EADDRNOTAVAIL: "this host does not have the address",
    EACCES: "the port needs CAP_NET_BIND_SERVICE",
  };
  return new OverlayError(
    "ERR_SOCKET_FAILED",
    `Cannot open UDP socket ${address.toString()}:${port}: ${reasons[errorName] ?? errorName}`,
    { address: address.toString(), port, errno: errorName },
  );
}
