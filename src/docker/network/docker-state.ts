/** What a Docker engine tells about itself and its networks, read from the JSON of its command line. */
import { isRecord, recordsOf, textOf } from "../../kernel/json-fields.ts";
import type { JsonRecord } from "../../kernel/json-fields.ts";

/** Version of an engine; what follows the second number does not matter here. */
export interface EngineVersion {
  readonly major: number;
  readonly minor: number;
  /** As the engine writes it, such as `20.10.24+dfsg1`. */
  readonly text: string;
}

/** A network of the engine. */
export interface DockerNetwork {
  readonly id: string;
  readonly name: string;
  readonly driver: string;
  /** In order; a network with IPv6 has one of each family. */
  readonly pools: readonly { readonly subnet: string; readonly gateway: string }[];
  /** What `-o` gave, and what the engine added. */
  readonly options: ReadonlyMap<string, string>;
  readonly labels: ReadonlyMap<string, string>;
  /** Names of the running containers in it. */
  readonly containers: readonly string[];
}

/** Reads what `docker version --format '{{json .Server}}'` prints, or gives null. */
export function parseEngineVersion(text: string): EngineVersion | null {
  const json = parseJson(text);
  const version = isRecord(json) ? (textOf(json, "Version") ?? "") : "";
  const [, major, minor] = /^(\d{1,4})\.(\d{1,4})/.exec(version) ?? [];
  return major === undefined || minor === undefined
    ? null
    : { major: Number(major), minor: Number(minor), text: version };
}

/** Reads what `docker network inspect ID...` prints, or gives null. */
export function parseNetworks(text: string): DockerNetwork[] | null {
  const json = parseJson(text);
  return Array.isArray(json) ? recordsOf(json).map(readNetwork) : null;
}

function readNetwork(record: JsonRecord): DockerNetwork {
  const ipam = isRecord(record.IPAM) ? record.IPAM : {};
  const containers = isRecord(record.Containers) ? Object.values(record.Containers) : [];
  return {
    id: textOf(record, "Id") ?? "",
    name: textOf(record, "Name") ?? "",
    driver: textOf(record, "Driver") ?? "",
    pools: recordsOf(ipam.Config).map((pool) => ({
      subnet: textOf(pool, "Subnet") ?? "",
      gateway: textOf(pool, "Gateway") ?? "",
    })),
    options: readTexts(record.Options),
    labels: readTexts(record.Labels),
    containers: recordsOf(containers).flatMap((one) => textOf(one, "Name") ?? []),
  };
}

/** The members that are text. */
function readTexts(value: unknown): ReadonlyMap<string, string> {
  const members = isRecord(value) ? Object.entries(value) : [];
  return new Map(members.filter((pair): pair is [string, string] => typeof pair[1] === "string"));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
