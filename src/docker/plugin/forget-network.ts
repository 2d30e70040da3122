/** `twill docker-plugin --forget`: frees the lease of a network that Docker does not know any more. */
import { request } from "node:http";
import { OverlayError } from "../../net/overlay-error.ts";
import { readState } from "./state/state-store.ts";

const ANSWER_TIMEOUT_MS = 5000;

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
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  const text = await new Promise<string>((resolve, reject) => {
    const call = request({ socketPath, path: `/${method}`, method: "POST", signal }, (response) => {
      let answer = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (answer += chunk));
      response.on("error", reject).on("end", () => resolve(answer));
    });
    call.on("error", reject).end(JSON.stringify(body));
  }).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OverlayError(
      "ERR_SOCKET_FAILED",
      `Cannot ask the plugin at ${socketPath}: ${reason}; start it, or give --socket`,
      {},
      { cause },
    );
  });
  const { Err, Error: ipamError } = JSON.parse(text) as { Err?: string; Error?: string };
  const sentence = Err ?? ipamError;
  if (sentence !== undefined) throw new OverlayError("ERR_REQUEST_REFUSED", sentence);
}
