/** The network's configuration, which a runtime writes to our standard input. Its keys are those of flannel's plugin. */
import { isAbsolute } from "node:path";
import { DEFAULT_SUBNET_FILE } from "../files/read-subnet-file.ts";
import { reasonOf } from "../net/reason-of.ts";
import { showUntrustedJson } from "../net/untrusted-text.ts";
import { CNI_CODE, CniError } from "./cni-error.ts";
import { CNI_NAME } from "./plugin-request.ts";

/** An object of somebody's JSON. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** What is used of it. An object that is absent or null is undefined. */
export interface NetworkConfig {
  readonly name: string;
  /** Name by which the runtime found us. */
  readonly type: string | undefined;
  readonly cniVersion: string | undefined;
  readonly subnetFile: string;
  /** Directory of what DEL needs to know of each ADD. */
  readonly dataDir: string;
  /** What the user wants of the delegate beyond what follows from the subnet file. */
  readonly delegate: JsonObject | undefined;
  /** What the user wants of the address management beyond ranges and route. */
  readonly ipam: JsonObject | undefined;
  /** What the runtime adds for one container: ports, addresses, bandwidth. */
  readonly runtimeConfig: JsonObject | undefined;
  /** Another way for runtimes to say something of one container. */
  readonly args: JsonObject | undefined;
  readonly dns: JsonObject | undefined;
  /** Result of the chain's ADD, in a CHECK or DEL. */
  readonly prevResult: JsonObject | undefined;
}

/** Flannel's plugin has /var/lib/cni/flannel. */
export const DEFAULT_DATA_DIRECTORY = "/var/lib/cni/twill";

/** Reads a configuration; unknown members are ignored, as the specification allows. @throws {CniError} 6, 7 */
export function parseNetworkConfig(text: string): NetworkConfig {
  const config = parseJson(text);
  const name = readString(config, "name");
  if (name === undefined || !CNI_NAME.test(name)) {
    throw configInvalid(
      "name",
      config.name,
      'a name of letters, digits, "_", "." and "-", the first a letter or digit',
    );
  }
  return {
    name,
    type: readString(config, "type"),
    cniVersion: readVersion(config),
    subnetFile: readPath(config, "subnetFile", DEFAULT_SUBNET_FILE),
    dataDir: readPath(config, "dataDir", DEFAULT_DATA_DIRECTORY),
    delegate: readObject(config, "delegate"),
    ipam: readObject(config, "ipam"),
    runtimeConfig: readObject(config, "runtimeConfig"),
    args: readObject(config, "args"),
    dns: readObject(config, "dns"),
    prevResult: readObject(config, "prevResult"),
  };
}

/** The error for a member that cannot be used as it is. */
export function configInvalid(member: string, value: unknown, need: string): CniError {
  return new CniError(
    CNI_CODE.configInvalid,
    `Cannot use ${member} ${showUntrustedJson(value)} of the network's configuration: need ${need}`,
  );
}

/** Whether a value of JSON is an object, not null and no list. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseJson(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (err) {
    const what = text.trim() === "" ? "it is empty" : reasonOf(err);
    throw decodingFailed(what, err);
  }
  if (isJsonObject(value)) return value;
  throw decodingFailed(`it is no object but ${showUntrustedJson(value)}`);
}

function decodingFailed(what: string, cause?: unknown): CniError {
  const message = `Cannot read the network's configuration from standard input: ${what}`;
  return new CniError(CNI_CODE.decodingFailed, message, { cause });
}

function readString(config: JsonObject, member: string): string | undefined {
  const value = config[member] ?? undefined;
  if (value === undefined || typeof value === "string") return value;
  throw configInvalid(member, value, "a text");
}

/** Runtimes write "" where the user wrote none. */
function readVersion(config: JsonObject): string | undefined {
  const version = readString(config, "cniVersion");
  return version === "" ? undefined : version;
}

function readObject(config: JsonObject, member: string): JsonObject | undefined {
  const value = config[member] ?? undefined;
  if (value === undefined || isJsonObject(value)) return value;
  throw configInvalid(member, value, "an object");
}

/** Relative to what a path would be, only the runtime knows. */
function readPath(config: JsonObject, member: string, fallback: string): string {
  const path = readString(config, member) ?? fallback;
  if (isAbsolute(path) && !path.includes("\0")) return path;
  throw configInvalid(member, path, "an absolute path");
}
