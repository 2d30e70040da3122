import type { Clock } from "../net/clock.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { configKey } from "./lease-codec.ts";
import type { NetworkConfig } from "./network-config.ts";
import type { Registry, RegistryEntry } from "./registry.ts";
import { spreadIntervalMs } from "./spread-interval.ts";
import { parseConfigEntry } from "./wait-for-config.ts";

/** No watch tells that a right was given. */
const LOOK_AGAIN_EVERY_MS = 60_000;

/** What the registry holds as network config, as far as it can be known. */
export type StoredConfig =
  | { readonly kind: "config"; readonly config: NetworkConfig }
  /** Nobody could work by what is there; the problem says why. */
  | { readonly kind: "unusable"; readonly problem: OverlayError }
  /** The registry denies us this key; what it holds is not known. */
  | { readonly kind: "denied"; readonly key: string; readonly problem: OverlayError };

/** What following the network config needs. */
export interface FollowConfigOptions {
  readonly registry: Registry;
  /** Of every key, as `/coreos.com/network`. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly random: () => number;
  /** Called with what is there at first, after every write or deletion, and after every look that is denied. */
  onConfig(stored: StoredConfig): void;
}

/**
 * Tells what the registry holds as network config, until the signal is aborted. Any disturbance of the watch is thrown,
 * and the caller starts again. A registry that denies the key is told of like a config and looked at again about every
 * minute: that is no reason to disturb those who can do their work on the same connection.
 */
export async function followNetworkConfig(options: FollowConfigOptions, signal: AbortSignal): Promise<void> {
  const { registry, prefix, clock, random } = options;
  const key = configKey(prefix);
  let read = await registry.read(key, signal).catch(denialOf);
  while (read instanceof OverlayError) {
    options.onConfig({ kind: "denied", key, problem: read });
    await clock.sleep(spreadIntervalMs(LOOK_AGAIN_EVERY_MS, random), signal);
    read = await registry.read(key, signal).catch(denialOf);
  }
  options.onConfig(readStored(prefix, read.entry));
  for await (const { events } of registry.watchKey(key, read.header.revision + 1n, signal)) {
    const last = events.at(-1);
    if (last !== undefined) options.onConfig(readStored(prefix, last.kind === "put" ? last.entry : null));
  }
}

function denialOf(err: unknown): OverlayError {
  if (err instanceof OverlayError && err.code === "ERR_REGISTRY_DENIED") return err;
  throw err;
}

function readStored(prefix: string, entry: RegistryEntry | null): StoredConfig {
  try {
    return { kind: "config", config: parseConfigEntry(prefix, entry) };
  } catch (err) {
    if (!(err instanceof OverlayError)) throw err;
    return { kind: "unusable", problem: err };
  }
}
