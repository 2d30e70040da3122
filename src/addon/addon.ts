/** The one way to the C addon. Its functions never throw: they answer with a value or a negative errno. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { getSystemErrorName } from "node:util";
import { OverlayError } from "../net/overlay-error.ts";

const ADDON_PATH = fileURLToPath(new URL("../../build/twill_tun.node", import.meta.url));

/** A watch on a descriptor, known only to the addon. */
export type WatchHandle = object & { readonly watchHandle: unique symbol };

/** A run of a program, known only to the addon. */
export type RunHandle = object & { readonly runHandle: unique symbol };

/** What a run came to. */
export interface RunResult {
  /** Negative: the program could not be started, -ENOENT when there is none; else 0. */
  readonly errno: number;
  /** {@link RUN_END} */
  readonly end: number;
  readonly exitStatus: number;
  /** Number of the signal that ended the program, or 0. */
  readonly signal: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * What native/addon/addon.c exports, in the order of its files. Arguments of a wrong type or a range outside a
 * buffer are answered with -EINVAL. Use the typed wrappers beside this file, not these.
 */
export interface NativeAddon {
  /** Fills `fds`, one for each queue; answers with the bits {@link TUN_BITS}. */
  tunOpen(name: string, wantsOffloads: boolean, fds: Int32Array): number;
  tunSetPersistent(fd: number, isPersistent: boolean): number;
  packetRead(fd: number, buffer: Uint8Array, offset: number, length: number): number;
  packetWrite(fd: number, buffer: Uint8Array, offset: number, length: number): number;
  packetPair(fds: Int32Array): number;
  udpSocketOpen(address: number, port: number, receiveBufferBytes: number, sendBufferBytes: number): number;
  udpSocketForbidReuse(fd: number): number;
  /** 32 bits, then it comes round. */
  udpSocketDrops(fd: number): number;
  watchOpen(fd: number, onReadable: (errno: number) => void): WatchHandle | number;
  watchClose(watch: WatchHandle): number;
  /** `args` are texts in UTF-8, each with a NUL behind it; the first one is the program. */
  runStart(
    args: Uint8Array,
    input: Uint8Array,
    deadlineMs: number,
    maxOutputBytes: number,
  ): RunHandle | number;
  runDoneFd(run: RunHandle): number;
  runStop(run: RunHandle): number;
  /** Once, after the descriptor has become readable: it is closed then. */
  runTake(run: RunHandle): RunResult | number;
  netlinkOpenRoute(receiveBufferBytes: number): number;
  netlinkOpenFirewall(receiveBufferBytes: number): number;
  /** `interest` is laid out as in native/os/netlink_parse.h; answers with the bits {@link NETLINK_BITS}. */
  netlinkRead(fd: number, interest: Int32Array): number;
  lockFile(fd: number): number;
  sendUnixDatagram(path: string, text: string): number;
  hardenProcess(): number;
  /** Does not return, unless `status` is no 32-bit number. */
  endProcess(status: number): number;
}

/** What `tunOpen` has opened, as native/os/tun.h says. */
export const TUN_BITS = { hasVnetHeader: 1, takesUdpRuns: 2 } as const;

/** How a run ended, as native/os/run_program.h says. */
export const RUN_END = { byItself: 0, tooLong: 1, tooMuch: 2, stopped: 3 } as const;

/** What `netlinkRead` has seen change, as native/os/netlink_parse.h says. */
export const NETLINK_BITS = {
  link: 1,
  address: 2,
  route: 4,
  neighbour: 8,
  firewall: 16,
  overflow: 32,
} as const;

let loaded: NativeAddon | null = null;

/** The addon, loaded at the first call. @throws {OverlayError} `ERR_ADDON_MISSING` */
export function loadAddon(): NativeAddon {
  return (loaded ??= loadAddonFrom(ADDON_PATH) as NativeAddon);
}

/**
 * Loads an addon from this file; what it exports is for the caller to know.
 * @throws {OverlayError} `ERR_ADDON_MISSING` when it is not there or does not load
 */
export function loadAddonFrom(path: string): unknown {
  if (!existsSync(path)) {
    throw new OverlayError(
      "ERR_ADDON_MISSING",
      `Cannot load the addon: ${path} is missing; run scripts/setup`,
      { path },
    );
  }
  try {
    return createRequire(import.meta.url)(path);
  } catch (err) {
    throw new OverlayError(
      "ERR_ADDON_MISSING",
      `Cannot load the addon: ${path} does not fit this Node.js or C library; run scripts/build-native`,
      { path, nodeVersion: process.version },
      { cause: err },
    );
  }
}

/** Linux's "file descriptor in bad state" (include/uapi/asm-generic/errno.h), which neither node:os nor libuv names. */
export const EBADFD = 77;

/** Name of a negative errno, such as "EBUSY": for messages and for choosing between them. */
export function errnoName(errno: number): string {
  return errno === -EBADFD ? "EBADFD" : getSystemErrorName(errno);
}
