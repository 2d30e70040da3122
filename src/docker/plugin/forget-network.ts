/** `twill docker-plugin --forget`: frees the lease of a network that Docker does not know any more. */
import { NoAnswerError, askSocket } from "../../local-http/ask-socket.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { showUntrusted } from "../../net/untrusted-text.ts";
import { engineHasNetwork } from "./engine/ask-engine.ts";
import type { Network } from "./state/plugin-state.ts";
import { shortId } from "../short-id.ts";
import { readState } from "./state/state-store.ts";

/** The plugin answers within 2 s, and this host may be busy. */
const ANSWER_DEADLINE_MS = 5000;
/** An empty object, or a sentence. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** Which network, and where to ask. */
export interface ForgetRequest {
  /** The beginning of its id, or all of it. */
  readonly start: string;
  /** The plugin's. */
  readonly socket: string;
  readonly stateDir: string;
  /** Of the engine's API; null: it is not asked, and the user knows that the network is gone. */
  readonly dockerSocket: string | null;
}

/**
 * Asks the running plugin to delete a network that Docker does not have any more, as Docker would; resolves with its id.
 * @throws {OverlayError} `ERR_OPTION_INVALID` when no network, or more than one, begins so; `ERR_DOCKER_FAILED` when Docker
 *   has the network, or does not say; `ERR_SOCKET_FAILED`
 */
export async function forgetNetwork({
  start,
  socket,
  stateDir,
  dockerSocket,
}: ForgetRequest): Promise<string> {
  const { id } = await findNetwork(start, stateDir);
  if (dockerSocket !== null) await refuseLiving(id, dockerSocket);
  await ask(socket, "NetworkDriver.DeleteNetwork", { NetworkID: id });
  return id;
}

async function findNetwork(start: string, stateDir: string): Promise<Network> {
  const networks = [...((await readState(stateDir))?.networks.values() ?? [])];
  const [network, ...more] = networks.filter(({ id }) => start !== "" && id.startsWith(start));
  if (network !== undefined && more.length === 0) return network;
  const known = networks.map(({ id }) => id).join(", ") || "none";
  throw new OverlayError(
    "ERR_OPTION_INVALID",
    `Cannot forget network ${showUntrusted(start)}: ${more.length > 0 ? "several ids begin so" : "no id begins so"}; known are: ${known}`,
  );
}

/** A network that lives would lose its bridge under its containers, and its addresses would be given again. */
async function refuseLiving(id: string, dockerSocket: string): Promise<void> {
  const short = shortId(id);
  const isLiving = await engineHasNetwork(dockerSocket, id).catch((cause: unknown) => {
    if (!(cause instanceof NoAnswerError)) throw cause;
    throw new OverlayError(
      "ERR_DOCKER_FAILED",
      `Cannot forget network ${short}: Docker does not say at ${dockerSocket} whether it still has it (${cause.message}); start Docker, give --docker-socket, or where it is gone for certain --docker-socket "", which asks nobody`,
      {},
      { cause },
    );
  });
  if (!isLiving) return;
  throw new OverlayError(
    "ERR_DOCKER_FAILED",
    `Cannot forget network ${short}: Docker still has it; remove it there: docker network rm ${short}`,
  );
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
  const sentence = readSentence(answer.body, socketPath);
  if (sentence !== undefined) throw new OverlayError("ERR_REQUEST_REFUSED", sentence);
}

/** What the plugin says of a refusal, or undefined. */
function readSentence(body: string, socketPath: string): string | undefined {
  try {
    return (JSON.parse(body) as { Err?: string }).Err;
  } catch (cause) {
    throw new OverlayError(
      "ERR_SOCKET_FAILED",
      `Cannot ask the plugin at ${socketPath}: what answers there is not the plugin; give --socket`,
      {},
      { cause },
    );
  }
}
