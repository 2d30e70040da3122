/** An agent's local socket, from outside: HTTP over a unix socket. */
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
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
const MAX_BODY = 16 * 2 ** 20;

/** Asks for `path` on the agent's socket. @throws {OverlayError} `ERR_LAB_FAILED` when no answer comes in time */
export async function askAgent(
  socketPath: string,
  path: string,
  timeoutMs = DEFAULT_TIMEOUT_MS,
): Promise<AgentAnswer> {
  return await new Promise((resolve, reject) => {
    const fail = (err: Error): void =>
      reject(
        new OverlayError(
          "ERR_LAB_FAILED",
          `Cannot ask the agent at ${socketPath} for ${path}: ${err.message}`,
          {},
          {
            cause: err,
          },
        ),
      );
    // A connection of its own each time: none is left open, and none is reused after the agent restarts.
    const asked = request(
      { socketPath, path, agent: false, signal: AbortSignal.timeout(timeoutMs) },
      (answer) => {
        let body = "";
        answer.setEncoding("utf8");
        answer.on("data", (text: string) => {
          if (body.length < MAX_BODY) body += text;
        });
        answer.on("error", fail);
        answer.on("end", () => resolve({ code: answer.statusCode ?? 0, body, reason: reasonOf(answer) }));
      },
    );
    asked.on("error", fail);
    asked.end();
  });
}

function reasonOf(answer: IncomingMessage): string | null {
  const reason = answer.headers["x-twill-reason"];
  return typeof reason === "string" ? reason : null;
}
