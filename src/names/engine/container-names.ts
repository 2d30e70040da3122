/** Names of an engine's running containers, from its answer to `GET /containers/json`. */
import { Ipv4Address } from "../../net/ipv4.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { parseDnsName } from "../dns-name.ts";
import { NamesBuilder } from "../record/host-names.ts";
import type { HostNames } from "../record/host-names.ts";

const COMPOSE = "com.docker.compose.";
/** A link of old gives a container further names, such as `/web/db`, which are its neighbour's business. */
const CONTAINER_NAME = /^\/([^/]+)$/;

export interface ContainerNames {
  readonly names: HostNames;
  /** Names with an address of the subnet that the DNS cannot say: not fit for a log line as they are. */
  readonly skipped: readonly string[];
}

/**
 * The names of every container that has an address of `subnet`: its own, which the address is owned by; of a service of
 * compose also the service's, and the service's with its project's.
 * @throws {OverlayError} `ERR_DOCKER_FAILED` when it is no answer of a Docker engine
 */
export function parseContainers(text: string, subnet: Ipv4Prefix): ContainerNames {
  const builder = new NamesBuilder();
  const skipped = new Set<string>();
  for (const container of parseList(text)) {
    const addresses = addressesOf(container, subnet);
    if (addresses.length === 0) continue;
    const own = new Set(ownNamesOf(container));
    for (const text of [...own, ...serviceNamesOf(asObject(container.Labels))]) {
      const name = parseDnsName(text);
      if (name === null) skipped.add(text);
      else if (own.has(text)) for (const address of addresses) builder.addOwner(name, address);
      else for (const address of addresses) builder.add(name, address);
    }
  }
  return { names: builder.build(), skipped: [...skipped] };
}

type Json = Readonly<Record<string, unknown>>;

function parseList(text: string): Json[] {
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list)) return list.map(asObject);
  } catch {
    // Said below.
  }
  throw new OverlayError("ERR_DOCKER_FAILED", "Cannot read Docker's containers: the answer is no JSON list");
}

function addressesOf(container: Json, subnet: Ipv4Prefix): Ipv4Address[] {
  const networks = Object.values(asObject(asObject(container.NetworkSettings).Networks)).map(asObject);
  return networks
    .map(({ IPAddress }) => Ipv4Address.parse(asText(IPAddress))) // "" without a network of its own
    .filter((address) => address !== null)
    .filter((address) => subnet.contains(address));
}

function ownNamesOf(container: Json): string[] {
  const names: unknown[] = Array.isArray(container.Names) ? container.Names : [];
  return names.flatMap((name) => CONTAINER_NAME.exec(asText(name))?.[1] ?? []);
}

/** None for `docker-compose run`: such a container does not do the service's work. */
function serviceNamesOf(labels: Json): string[] {
  const service = asText(labels[`${COMPOSE}service`]);
  const project = asText(labels[`${COMPOSE}project`]);
  if (service === "" || asText(labels[`${COMPOSE}oneoff`]).toLowerCase() === "true") return [];
  return project === "" ? [service] : [service, `${service}.${project}`];
}

/** What Go leaves empty is null or absent; what is of another kind is nothing to us. */
function asObject(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}
