/** An agent's local socket, from outside: HTTP over a unix socket. */
import { NoAnswerError, askSocket } from "../../local-http/ask-socket.ts";
import { OverlayError } from "../../net/overlay-error.ts";

/** An answer of the agent. */
export interface AgentAnswer {
  readonly code: number;
  readonly body: string;
  /** Why the agent is not ready, when it says so in the header `x-twill-reason`. */
  readonly reason: string | null;
}

/** The agent answers at once, or its event loop stands still. */
const DEFAULT_TIMEOUT_MS = 2_000;
/** A status of a thousand peers is far below. */
const MAX_ANSWER_BYTES = 16 * 2 ** 20;

/** Asks for `path` on the agent's socket. @throws {OverlayError} `ERR_LAB_FAILED` when no answer comes in time */
export async function askAgent(
  socketPath: string,
  path: string,
  timeoutMs = DEFAULT_TIMEOUT_MS,
): Promise<AgentAnswer> {
  const bounds = { deadlineMs: timeoutMs, maxAnswerBytes: MAX_ANSWER_BYTES };
  try {
    const { status, headers, body } = await askSocket({ socketPath, path, ...bounds });
    const reason = headers["x-twill-reason"];
    return { code: status, body, reason: typeof reason === "string" ? reason : null };
  } catch (cause) {
    if (!(cause instanceof NoAnswerError)) throw cause;
    throw new OverlayError(
      "ERR_LAB_FAILED",
      `Cannot ask the agent at ${socketPath} for ${path}: ${cause.message}`,
      {},
      { cause },
    );
  }
}
