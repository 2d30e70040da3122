/** Aliases of containers in their networks (`--network-alias`), from an engine's answer to `GET /containers/ID/json`. */
import { OverlayError } from "../../net/overlay-error.ts";
import { asObject, asText, asTexts, endpointsOf } from "./docker-json.ts";
import type { Json } from "./docker-json.ts";

/** Up to Docker 25 a container's id is an alias too, cut to this length. */
const SHORT_ID_LENGTH = 12;

/** Aliases by the id of the endpoint that has them. */
export type EndpointAliases = ReadonlyMap<string, readonly string[]>;

/**
 * The aliases of each of the container's endpoints, without its short id, which newer engines do not count among them.
 * @throws {OverlayError} `ERR_DOCKER_FAILED` when it is no answer of a Docker engine
 */
export function parseAliases(text: string): EndpointAliases {
  const container = parseContainer(text);
  const shortId = asText(container.Id).slice(0, SHORT_ID_LENGTH);
  const aliases = new Map<string, readonly string[]>();
  for (const { EndpointID, Aliases } of endpointsOf(container)) {
    const id = asText(EndpointID); // "" while the container is not in the network
    if (id !== "")
      aliases.set(
        id,
        asTexts(Aliases).filter((alias) => alias !== shortId),
      );
  }
  return aliases;
}

function parseContainer(text: string): Json {
  try {
    return asObject(JSON.parse(text));
  } catch (cause) {
    const message = "Cannot read a container's aliases: Docker's answer is no JSON";
    throw new OverlayError("ERR_DOCKER_FAILED", message, {}, { cause });
  }
}
