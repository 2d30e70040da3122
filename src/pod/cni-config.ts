/** The configuration of one CNI plugin, as it is written to the plugin's standard input (CNI spec 1.0.0, section 1). */
import { readFile } from "node:fs/promises";
import { fileError } from "../files/file-error.ts";
import { OverlayError } from "../net/overlay-error.ts";

/** What every plugin needs; the other members are the plugin's own. */
export interface CniConfig {
  readonly cniVersion: string;
  readonly name: string;
  /** Name of the plugin's executable in the plugin path. */
  readonly type: string;
  readonly [member: string]: unknown;
}

/** From 0.3.0 on a result has its addresses in one list. */
const VERSION = /^(0\.(?:[3-9]|[1-9][0-9])|[1-9][0-9]?\.[0-9]{1,2})\.[0-9]{1,3}$/;
/** As the specification wants a network's name. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/** What attaches a pod unless told otherwise: our own plugin, with the lease of this host. */
export function ownCniConfig(subnetFile: string): CniConfig {
  return { cniVersion: "1.0.0", name: "twill", type: "twill-cni", subnetFile };
}

/** The configuration of a single plugin in a file. @throws {OverlayError} `ERR_FILE_FAILED`, `ERR_OPTION_INVALID` */
export async function loadCniConfig(path: string): Promise<CniConfig> {
  const text = await readFile(path, "utf8").catch((err: unknown) => {
    throw fileError(`Cannot read the CNI configuration ${path}`, path, err);
  });
  const config = parseCniConfig(text);
  if (config !== null) return config;
  throw new OverlayError(
    "ERR_OPTION_INVALID",
    `Cannot use the CNI configuration ${path}: need one JSON object with cniVersion (0.3.0 or newer), name and type, and no list of plugins`,
  );
}

/** Reads a configuration, or gives null. */
export function parseCniConfig(text: string): CniConfig | null {
  try {
    const value: unknown = JSON.parse(text);
    return isCniConfig(value) ? value : null;
  } catch {
    return null;
  }
}

/** Whether `value` is the configuration of one plugin. Its type becomes the name of a program: it must be no path. */
export function isCniConfig(value: unknown): value is CniConfig {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const { cniVersion, name, type } = value as Partial<Record<string, unknown>>;
  return matches(cniVersion, VERSION) && matches(name, NAME) && matches(type, NAME);
}

function matches(value: unknown, pattern: RegExp): boolean {
  return typeof value === "string" && pattern.test(value);
}
