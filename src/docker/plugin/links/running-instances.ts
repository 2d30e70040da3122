/**
 * Which plugins run on this host. Each has a socket in the abstract namespace, which is the network namespace's as devices are,
 * and is gone with the process however it ends.
 */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { Logger } from "pino";
import { hasErrorCode } from "../../../files/file-error.ts";
import type { Closable } from "../../../process/close-all.ts";

function socketName(instanceId: string): string {
  return `\0twill-docker:${instanceId}`;
}

/** Says that the plugin with this id runs, until it is closed. A failure is logged: it costs others' protection of ours. */
export async function announceInstance(instanceId: string, log: Logger): Promise<Closable> {
  const server = createServer((socket) => socket.destroy());
  const close = async (): Promise<void> => await new Promise((resolve) => server.close(() => resolve()));
  try {
    await once(server.listen(socketName(instanceId)), "listening");
  } catch (err) {
    log.warn({ err, instanceId }, "Cannot tell other plugins on this host that this one runs");
  }
  server.on("error", () => undefined); // of a connection that could not be taken, and nobody needs
  return { close };
}

/** Whether a plugin with this id runs in this network namespace. What cannot be found out counts as running. */
export async function isInstanceRunning(instanceId: string): Promise<boolean> {
  const socket = connect(socketName(instanceId));
  try {
    await once(socket, "connect");
    return true;
  } catch (err) {
    return !hasErrorCode(err, "ECONNREFUSED");
  } finally {
    socket.destroy();
  }
}
