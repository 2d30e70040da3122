/** `twill docker-plugin --forget`: frees the lease of a network that Docker does not know any more. */
import { NoAnswerError, askSocket } from "../../local-http/ask-socket.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { readState } from "./state/state-store.ts";

/** The plugin answers within 2 s, and this host may be busy. */
const ANSWER_DEADLINE_MS = 5000;
/** An empty object, or a sentence. */
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * Asks the running plugin to delete the network whose id begins with `start`, as Docker would; resolves with its id.
 * @throws {OverlayError} `ERR_OPTION_INVALID` when no network, or more than one, begins so; `ERR_SOCKET_FAILED`
 */
export async function forgetNetwork(start: string, socket: string, stateDir: string): Promise<string> {
  const networks = [...((await readState(stateDir))?.networks.values() ?? [])];
  const [network, ...more] = networks.filter(({ id }) => start !== "" && id.startsWith(start));
  if (network === undefined || more.length > 0) {
    const known = networks.map(({ id }) => id).join(", ") || "none";
    throw new OverlayError(
      "ERR_OPTION_INVALID",
      `Cannot forget network ${JSON.stringify(start)}: ${more.length > 0 ? "several ids begin so" : "no id begins so"}; known are: ${known}`,
    );
  }
  await ask(socket, "NetworkDriver.DeleteNetwork", { NetworkID: network.id });
  return network.id;
}

async function ask(socketPath: string, method: string, body: object): Promise<void> {
  const bounds = { deadlineMs: ANSWER_DEADLINE_MS, maxAnswerBytes: MAX_ANSWER_BYTES };
  const asked = { socketPath, path: `/${method}`, body: JSON.stringify(body), ...bounds };
  const answer = await askSocket(asked).catch((cause: unknown) => {
    if (!(cause instanceof NoAnswerError)) throw cause;
    throw new OverlayError(
      "ERR_SOCKET_FAILED",
      `Cannot ask the plugin at ${socketPath}: ${cause.message}; start it, or give --socket`,
      {},
      { cause },
    );
  });
  const { Err: sentence } = JSON.parse(answer.body) as { Err?: string };
  if (sentence !== undefined) throw new OverlayError("ERR_REQUEST_REFUSED", sentence);
}
