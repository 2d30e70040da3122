/** What is asked of a Docker engine over its API socket: its running containers, one of them, and to hear of changes. */
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { NoAnswerError, askSocket } from "../../local-http/ask-socket.ts";
import type { SocketAnswer } from "../../local-http/ask-socket.ts";
import { OverlayError } from "../../net/overlay-error.ts";

/** An engine that starts or is busy answers later: it is asked again. */
const ANSWER_DEADLINE_MS = 5_000;
/** Docker does not answer for a container that it is stuck with, and the next look waits for the question's end. */
const INSPECT_DEADLINE_MS = 1_000;
/** A thousand containers take about 1.5 MiB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const HTTP_OK = 200;
const HTTP_NOT_FOUND = 404;
const CONTAINER_ID = /^[0-9a-f]{64}$/;

/** Everything after which names or addresses may be others. */
const EVENTS = {
  type: ["container", "network"],
  event: ["start", "die", "stop", "destroy", "rename", "connect", "disconnect"],
};

/** The engine's list of running containers, as text. Ends with the signal. @throws {OverlayError} `ERR_DOCKER_FAILED` */
export async function listContainers(socketPath: string, signal: AbortSignal): Promise<string> {
  const { status, body } = await ask(socketPath, "/containers/json", ANSWER_DEADLINE_MS, signal);
  if (status === HTTP_OK) return body;
  throw wrongStatus(socketPath, status);
}

/**
 * All that the engine knows of a container, as text; null when there is none. Ends with the signal.
 * @throws {OverlayError} `ERR_DOCKER_FAILED`
 */
export async function inspectContainer(
  socketPath: string,
  id: string,
  signal: AbortSignal,
): Promise<string | null> {
  if (!CONTAINER_ID.test(id)) return null; // a path must not become another one
  const { status, body } = await ask(socketPath, `/containers/${id}/json`, INSPECT_DEADLINE_MS, signal);
  if (status === HTTP_NOT_FOUND) return null;
  if (status === HTTP_OK) return body;
  throw wrongStatus(socketPath, status);
}

async function ask(
  socketPath: string,
  path: string,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<SocketAnswer> {
  try {
    return await askSocket({ socketPath, path, deadlineMs, maxAnswerBytes: MAX_ANSWER_BYTES, signal });
  } catch (err) {
    throw err instanceof NoAnswerError ? noAnswer(socketPath, err.code, err) : err;
  }
}

/**
 * Calls `onEvent` for changes, several at once perhaps, and `onEnd` when no more will be told. Resolves when the engine
 * has begun to tell: what happens from then on is not missed. Ends with the signal. @throws {OverlayError} `ERR_DOCKER_FAILED`
 */
export async function hearEvents(
  socketPath: string,
  on: { readonly event: () => void; readonly end: () => void },
  signal: AbortSignal,
): Promise<void> {
  const path = `/events?filters=${encodeURIComponent(JSON.stringify(EVENTS))}`;
  const response = await openStream(socketPath, path, signal);
  if (response.statusCode !== HTTP_OK) {
    response.destroy();
    throw engineError(socketPath, `it tells no events, status ${response.statusCode ?? 0}`, null);
  }
  // That something has changed is all that is taken from the events: the list says what.
  response.on("data", on.event).on("error", () => undefined);
  response.once("close", on.end);
}

async function openStream(socketPath: string, path: string, signal: AbortSignal): Promise<IncomingMessage> {
  const deadline = AbortSignal.timeout(ANSWER_DEADLINE_MS);
  return await new Promise<IncomingMessage>((resolve, reject) => {
    const call = request({ socketPath, path, agent: false, signal }, (response) => {
      deadline.onabort = null;
      resolve(response);
    });
    deadline.onabort = () => call.destroy(new Error(`no answer within ${ANSWER_DEADLINE_MS} ms`));
    call.on("error", (err) => reject(noAnswer(socketPath, "code" in err ? String(err.code) : null, err)));
    call.end();
  });
}

function noAnswer(socketPath: string, code: string | null, cause: Error): OverlayError {
  const reason =
    code === "ENOENT" || code === "ECONNREFUSED"
      ? "nobody listens there; start Docker, or give --docker-socket"
      : code === "EACCES"
        ? "it is open to root and Docker's group only"
        : cause.message;
  return engineError(socketPath, reason, cause);
}

function wrongStatus(socketPath: string, status: number): OverlayError {
  return engineError(socketPath, `it answers with status ${status}`, null);
}

function engineError(socketPath: string, reason: string, cause: Error | null): OverlayError {
  const message = `Cannot ask Docker at ${socketPath}: ${reason}`;
  return new OverlayError("ERR_DOCKER_FAILED", message, { dockerSocket: socketPath }, { cause });
}
