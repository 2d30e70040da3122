/** An engine's running containers, from its answer to `GET /containers/json`. */
import { Ipv4Address } from "../../net/ipv4.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { asObject, asText, asTexts, endpointsOf } from "./docker-json.ts";
import type { Json } from "./docker-json.ts";

const COMPOSE = "com.docker.compose.";
/** A link of old gives a container further names, such as `/web/db`, which are its neighbour's business. */
const CONTAINER_NAME = /^\/([^/]+)$/;

/** A container that has an address of the subnet. Texts are as Docker has them. */
export interface RunningContainer {
  readonly id: string;
  /** As a rule one. */
  readonly ownNames: readonly string[];
  /** Of a service of compose: the service's name, alone and with its project's. */
  readonly serviceNames: readonly string[];
  /** Those with an address of the subnet, at least one. */
  readonly endpoints: readonly Endpoint[];
}

/** A container's place in a network, another one after every start of the container. */
export interface Endpoint {
  readonly id: string;
  readonly address: Ipv4Address;
}

/**
 * The containers that have an address of `subnet`.
 * @throws {OverlayError} `ERR_DOCKER_FAILED` when it is no answer of a Docker engine
 */
export function parseContainerList(text: string, subnet: Ipv4Prefix): RunningContainer[] {
  return parseList(text)
    .map((container) => ({
      id: asText(container.Id),
      ownNames: asTexts(container.Names).flatMap((name) => CONTAINER_NAME.exec(name)?.[1] ?? []),
      serviceNames: serviceNamesOf(asObject(container.Labels)),
      endpoints: endpointsOf(container).flatMap((endpoint) => readEndpoint(endpoint, subnet) ?? []),
    }))
    .filter(({ endpoints }) => endpoints.length > 0);
}

function parseList(text: string): Json[] {
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list)) return list.map(asObject);
  } catch {
    // Said below.
  }
  throw new OverlayError("ERR_DOCKER_FAILED", "Cannot read Docker's containers: the answer is no JSON list");
}

function readEndpoint({ EndpointID, IPAddress }: Json, subnet: Ipv4Prefix): Endpoint | null {
  const address = Ipv4Address.parse(asText(IPAddress)); // "" without a network of its own
  return address !== null && subnet.contains(address) ? { id: asText(EndpointID), address } : null;
}

/** None for `docker-compose run`: such a container does not do the service's work. */
function serviceNamesOf(labels: Json): string[] {
  const service = asText(labels[`${COMPOSE}service`]);
  const project = asText(labels[`${COMPOSE}project`]);
  if (service === "" || asText(labels[`${COMPOSE}oneoff`]).toLowerCase() === "true") return [];
  return project === "" ? [service] : [service, `${service}.${project}`];
}
