/** Docker's plugin protocol over HTTP: `POST /Driver.Method` with JSON, answered with JSON. */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Logger } from "pino";
import { OverlayError } from "../../../net/overlay-error.ts";
import { showUntrusted } from "../../../net/untrusted-text.ts";
import type { DockerPlugin } from "../plugin.ts";
import { refused } from "../protocol/request-fields.ts";

const CONTENT_TYPE = "application/vnd.docker.plugins.v1+json";
/** A container that publishes every port sends some 12 MiB. */
export const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** Docker sends a request at once; who is slower is not Docker. */
const REQUEST_TIMEOUT_MS = 10_000;
const LIMITS = {
  requestTimeout: REQUEST_TIMEOUT_MS,
  headersTimeout: REQUEST_TIMEOUT_MS,
  connectionsCheckingInterval: 1000, // how often Node looks for connections past these times
};
/** Open at once; Docker starts some tens of containers at once. */
const MAX_CONNECTIONS = 512;

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

/** The server, not listening yet. */
export function createPluginServer(plugin: DockerPlugin, log: Logger): Server {
  const server = createServer(LIMITS, (request, response) => {
    const startMs = performance.now();
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    void reply(plugin, path, request, log, goneSignal(response)).then(({ status, body }) => {
      send(response, status, body);
      const durationMs = Math.round(performance.now() - startMs);
      log.debug({ method: showUntrusted(path), status, durationMs }, "Request answered");
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

/** Aborted when the connection ends before all of the answer is on its way. */
function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort(refused("Cannot answer: whoever asked has gone away"));
  });
  return gone.signal;
}

/** Never rejects. */
async function reply(
  plugin: DockerPlugin,
  path: string,
  request: IncomingMessage,
  log: Logger,
  gone: AbortSignal,
): Promise<Reply> {
  const method = path.slice(1);
  if (!plugin.has(method)) return failure(method, 404, `twill has no ${showUntrusted(path)}`);
  if (request.method !== "POST")
    return failure(method, 405, `Cannot answer ${method}: it is asked with POST`);
  const body = await readBody(request).catch(() => "");
  if (body === null)
    return failure(
      method,
      413,
      `Cannot read the request ${method}: it is longer than ${MAX_BODY_BYTES} bytes`,
    );
  try {
    return { status: 200, body: await plugin.answer(method, body, gone) };
  } catch (err) {
    return refusal(method, err, log);
  }
}

/** Docker shows what stands under its driver's key of an answer that is well-formed, and under `Err` of any other. */
function refusal(method: string, err: unknown, log: Logger): Reply {
  if (!(err instanceof OverlayError)) {
    log.error({ err, method }, "Fault in twill, request not answered");
    return failure(method, 500, `Cannot carry out ${method}: a fault in twill, see its log`);
  }
  log.warn({ err, method }, "Request refused");
  return failure(method, err.code === "ERR_REQUEST_INVALID" ? 400 : 200, err.message);
}

function failure(method: string, status: number, sentence: string): Reply {
  const isIpam = method.startsWith("IpamDriver.");
  const body = {
    ...(isIpam ? { Error: sentence } : {}),
    ...(!isIpam || status !== 200 ? { Err: sentence } : {}),
  };
  return { status, body };
}

/** Null when it is too long: what is still to come is then not kept. Rejects when the other side goes away. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  return await new Promise((resolve, reject) => {
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_BODY_BYTES) resolve(null);
      else chunks.push(chunk);
    });
    request.on("end", () => resolve(Buffer.concat(chunks).toString("utf8"))).on("error", reject);
  });
}

/** One request for each connection: Docker sends a body only once, so a connection that ends at a bad moment loses it. */
function send(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  const length = Buffer.byteLength(text);
  response.writeHead(status, { "content-type": CONTENT_TYPE, "content-length": length, connection: "close" });
  response.end(text);
}
