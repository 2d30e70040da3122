/** The socket on which Docker finds the plugin: one that systemd holds, or our own. */
import { chmod, mkdir, rm } from "node:fs/promises";
import { connect } from "node:net";
import type { Server } from "node:http";
import { dirname } from "node:path";
import { fileError, hasErrorCode } from "../../../files/file-error.ts";
import { OverlayError } from "../../../net/overlay-error.ts";

/** The first descriptor that systemd passes (sd_listen_fds(3)). */
const FIRST_PASSED_FD = 3;
const SOCKET_MODE = 0o600;

/** systemd's variables for passed sockets. */
export interface ListenVariables {
  /** `LISTEN_PID`. */
  readonly pid: string | undefined;
  /** `LISTEN_FDS`. */
  readonly fds: string | undefined;
}

/** The descriptor of a socket that was passed to this process; null when there is none. */
export function passedSocket({ pid, fds }: ListenVariables, ownPid: number): number | null {
  const isPassed = pid === `${ownPid}` && /^[1-9][0-9]*$/.test(fds ?? "");
  return isPassed ? FIRST_PASSED_FD : null;
}

/** Listens on a socket that is open already. @throws {OverlayError} `ERR_SOCKET_FAILED` */
export async function listenOnPassed(server: Server, fd: number): Promise<void> {
  await listen(server, { fd }).catch((err: unknown) => {
    throw socketError(`the socket passed as descriptor ${fd}`, err);
  });
}

/**
 * Listens on the unix socket at `path`, which root alone may use; makes its directory. One that a killed process left is
 * replaced.
 * @throws {OverlayError} `ERR_ALREADY_RUNNING` when somebody listens there, `ERR_SOCKET_FAILED`, `ERR_FILE_FAILED`
 */
export async function listenOnPath(server: Server, path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
  } catch (err) {
    throw fileError(`Cannot listen on ${path}`, path, err, "--socket");
  }
  try {
    await listen(server, { path }).catch(async (err: unknown) => {
      if (!hasErrorCode(err, "EADDRINUSE")) throw err;
      await refuseLiving(path);
      await rm(path);
      await listen(server, { path });
    });
    await chmod(path, SOCKET_MODE);
  } catch (err) {
    throw err instanceof OverlayError ? err : socketError(path, err);
  }
}

async function refuseLiving(path: string): Promise<void> {
  const isLiving = await new Promise<boolean>((resolve) => {
    const socket = connect(path, () => resolve(true)).on("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
  if (!isLiving) return;
  throw new OverlayError(
    "ERR_ALREADY_RUNNING",
    `Cannot start: another process answers on ${path}, give another --socket`,
  );
}

async function listen(server: Server, where: { fd: number } | { path: string }): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
}

function socketError(where: string, err: unknown): OverlayError {
  const reason = err instanceof Error && "code" in err ? String(err.code) : String(err);
  return new OverlayError("ERR_SOCKET_FAILED", `Cannot listen on ${where}: ${reason}`, {}, { cause: err });
}
