/** Asking the agent on this host over its local socket. */
import { request } from "node:http";
import { OverlayError } from "../net/overlay-error.ts";

/** The agent answers from memory: one that takes longer is stuck. */
const ANSWER_TIMEOUT_MS = 3000;
/** 5,000 peers take about 1 MiB. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** The body of the agent's answer to `path`. @throws {OverlayError} `ERR_SOCKET_FAILED` when no agent answers */
export async function askAgent(socketPath: string, path: string): Promise<string> {
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  try {
    return await new Promise<string>((resolve, reject) => {
      const ask = request({ socketPath, path, signal }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
          if (text.length > MAX_ANSWER_BYTES) response.destroy(new Error("the answer is too long"));
        });
        response.on("error", reject).on("end", () => resolve(text));
      });
      ask.on("error", reject).end();
    });
  } catch (err) {
    throw notReachable(socketPath, err);
  }
}

function notReachable(socketPath: string, err: unknown): OverlayError {
  const code = err instanceof Error && "code" in err ? err.code : null;
  const reason =
    code === "ENOENT" || code === "ECONNREFUSED"
      ? `no agent is running behind ${socketPath}; --run-dir names another`
      : code === "EACCES"
        ? `${socketPath} is open to root only`
        : `no answer on ${socketPath}: ${err instanceof Error ? err.message : "unknown reason"}`;
  return new OverlayError("ERR_SOCKET_FAILED", `Cannot ask the agent: ${reason}`, {}, { cause: err });
}
