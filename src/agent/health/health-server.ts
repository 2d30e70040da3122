/** The health endpoints: HTTP on a TCP port as flannel's, and on the agent's local socket with `/status`. */
import { chmod, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { ListenOptions } from "node:net";
import { OverlayError } from "../../net/overlay-error.ts";
import { respondToHealth } from "./health-responses.ts";
import type { HealthSource } from "./health-responses.ts";

const LOCAL_SOCKET_MODE = 0o600;
/** A prober is done in milliseconds; who is slower holds a connection that others need. */
const REQUEST_TIMEOUT_MS = 3000;
const LIMITS = {
  maxHeaderSize: 4096,
  requestTimeout: REQUEST_TIMEOUT_MS,
  headersTimeout: REQUEST_TIMEOUT_MS,
  connectionsCheckingInterval: 1000, // how often Node looks for connections past these times
};
const MAX_CONNECTIONS = 64;

/** A listening endpoint. */
export interface HealthServer {
  /** Stops listening and ends the connections that are open; a local socket is removed. */
  close(): Promise<void>;
}

/** Listens on TCP `host`:`port`, without `/status`. @throws {OverlayError} `ERR_SOCKET_FAILED` */
export async function serveHealthOnPort(
  host: string,
  port: number,
  source: HealthSource,
): Promise<HealthServer> {
  const server = await listen({ host, port }, `${host} port ${port}`, source, false);
  return { close: () => closeServer(server) };
}

/**
 * Listens on the unix socket `path`, with `/status`; only root may connect. Whoever holds the instance lock
 * may call this: a socket that is there was left by an agent that is gone.
 * @throws {OverlayError} `ERR_SOCKET_FAILED`
 */
export async function serveHealthOnSocket(path: string, source: HealthSource): Promise<HealthServer> {
  await rm(path, { force: true }).catch((err: unknown) => {
    throw listenError(path, err);
  });
  const server = await listen({ path }, path, source, true);
  try {
    await chmod(path, LOCAL_SOCKET_MODE);
  } catch (err) {
    await closeServer(server);
    throw listenError(path, err);
  }
  return { close: () => closeServer(server) };
}

async function listen(
  where: ListenOptions,
  label: string,
  source: HealthSource,
  hasStatus: boolean,
): Promise<Server> {
  const server = createServer(LIMITS, (request, response) => {
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    const { status, headers, body } = respondToHealth(path, source, hasStatus);
    const length = Buffer.byteLength(body);
    response.writeHead(status, { ...headers, "content-length": length, connection: "close" }).end(body);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    // Stays for later errors, such as no descriptor left for a connection: the prober sees a failure, we go on.
    server.on("error", (err) => reject(listenError(label, err, "port" in where ? PORT_REASONS : undefined)));
    server.listen(where, resolve);
  });
  return server;
}

function listenError(label: string, err: unknown, reasons?: ReadonlyMap<string, string>): OverlayError {
  const code = err instanceof Error && "code" in err ? String(err.code) : String(err);
  const reason = reasons?.get(code) ?? code;
  return new OverlayError("ERR_SOCKET_FAILED", `Cannot listen on ${label}: ${reason}`, {}, { cause: err });
}

/** What to know about the port; of a path the system's word says enough. */
const PORT_REASONS: ReadonlyMap<string, string> = new Map([
  ["EADDRINUSE", "another process has it"],
  ["EADDRNOTAVAIL", "this host does not have the address"],
  ["EACCES", "EACCES, ports below 1024 need CAP_NET_BIND_SERVICE"],
]);

async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections(); // answers are written at once: nobody waits for one
  await closed;
}
