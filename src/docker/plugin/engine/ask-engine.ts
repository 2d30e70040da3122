/** Asks a Docker engine over its API socket what it knows of a network. */
import { NoAnswerError, askSocket } from "../../../local-http/ask-socket.ts";
import type { SocketAnswer } from "../../../local-http/ask-socket.ts";
import { Ipv4Address } from "../../../net/ipv4.ts";
import type { EngineNetwork } from "./lost-items.ts";

/** An engine that starts or is busy answers later: it is asked again. */
const ANSWER_DEADLINE_MS = 2000;
/** A thousand containers take about 300 KiB. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** What the engine behind the socket says of the network; null when it does not know it, or does not answer. */
export async function askEngine(socketPath: string, networkId: string): Promise<EngineNetwork | null> {
  const answer = await getNetwork(socketPath, networkId);
  if (answer instanceof NoAnswerError || answer.status !== 200) return null;
  return parseEngineNetwork(answer.body, networkId);
}

/**
 * Whether the engine behind the socket has the network.
 * @throws {NoAnswerError} when it does not say so in its own words
 */
export async function engineHasNetwork(socketPath: string, networkId: string): Promise<boolean> {
  const answer = await getNetwork(socketPath, networkId);
  if (answer instanceof NoAnswerError) throw answer;
  if (answer.status === 200) return true;
  if (answer.status === 404) return false;
  throw new NoAnswerError(`it answers with status ${answer.status}`, null, null);
}

async function getNetwork(socketPath: string, networkId: string): Promise<SocketAnswer | NoAnswerError> {
  const bounds = { deadlineMs: ANSWER_DEADLINE_MS, maxAnswerBytes: MAX_ANSWER_BYTES };
  return await askSocket({ socketPath, path: `/networks/${networkId}`, ...bounds }).catch((err: unknown) => {
    if (err instanceof NoAnswerError) return err;
    throw err;
  });
}

/** Reads the answer of `GET /networks/ID`; null when a part is not as we know it, for then it is no proof. */
export function parseEngineNetwork(text: string, networkId: string): EngineNetwork | null {
  try {
    const { Id, Containers, IPAM } = JSON.parse(text) as Record<string, unknown>;
    if (Id !== networkId) return null;
    const containers = Object.values(asObject(Containers)).map(asObject);
    const config = asObject(IPAM).Config;
    const reserved = asList(config).flatMap((one) =>
      Object.values(asObject(asObject(one).AuxiliaryAddresses)),
    );
    const texts = [...containers.map(({ IPv4Address }) => IPv4Address), ...reserved];
    return {
      endpointIds: new Set(containers.map(({ EndpointID }) => asText(EndpointID))),
      addresses: new Set(
        texts
          .map(asText)
          .filter((one) => one !== "")
          .map(toValue),
      ),
    };
  } catch (err) {
    if (err instanceof TypeError || err instanceof SyntaxError) return null;
    throw err;
  }
}

function toValue(text: string): number {
  const address = Ipv4Address.parse(text.split("/")[0] ?? "");
  if (address === null) throw new TypeError("not an address");
  return address.value;
}

/** What Go leaves empty is null or absent. */
function asObject(value: unknown): Record<string, unknown> {
  const given = value ?? {};
  if (typeof given !== "object" || Array.isArray(given)) throw new TypeError("not an object");
  return given as Record<string, unknown>;
}

function asList(value: unknown): unknown[] {
  const given = value ?? [];
  if (!Array.isArray(given)) throw new TypeError("not a list");
  return given;
}

function asText(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("not text");
  return value;
}
