/** Asking the agent on this host over its local socket. */
import { NoAnswerError, askSocket } from "../local-http/ask-socket.ts";
import { OverlayError } from "../net/overlay-error.ts";

/** The agent answers from memory: one that takes longer is stuck. */
const ANSWER_DEADLINE_MS = 3000;
/** 5,000 peers take about 1 MiB. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** The body of the agent's answer to `path`. @throws {OverlayError} `ERR_SOCKET_FAILED` when no agent answers */
export async function askAgent(socketPath: string, path: string): Promise<string> {
  const bounds = { deadlineMs: ANSWER_DEADLINE_MS, maxAnswerBytes: MAX_ANSWER_BYTES };
  try {
    return (await askSocket({ socketPath, path, ...bounds })).body;
  } catch (err) {
    throw err instanceof NoAnswerError ? notReachable(socketPath, err) : err;
  }
}

function notReachable(socketPath: string, cause: NoAnswerError): OverlayError {
  const reason = cause.isAbsent
    ? `no agent is running behind ${socketPath}; --run-dir names another`
    : cause.isDenied
      ? `${socketPath} is open to root only`
      : `no answer on ${socketPath}: ${cause.message}`;
  return new OverlayError("ERR_SOCKET_FAILED", `Cannot ask the agent: ${reason}`, {}, { cause });
}
