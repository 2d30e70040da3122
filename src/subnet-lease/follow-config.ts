import { OverlayError } from "../net/overlay-error.ts";
import { configKey } from "./lease-codec.ts";
import type { NetworkConfig } from "./network-config.ts";
import type { Registry, RegistryEntry } from "./registry.ts";
import { parseConfigEntry } from "./wait-for-config.ts";

/** The network config as the registry holds it, or why nobody could work by what it holds. */
export type StoredConfig =
  | { readonly ok: true; readonly config: NetworkConfig }
  | { readonly ok: false; readonly problem: OverlayError };

/** What following the network config needs. */
export interface FollowConfigOptions {
  readonly registry: Registry;
  /** Of every key, as `/coreos.com/network`. */
  readonly prefix: string;
  /** Called with what is there at first, and after every write or deletion. */
  onConfig(stored: StoredConfig): void;
}

/**
 * Tells what the registry holds as network config, until the signal is aborted. Any disturbance of the watch is thrown,
 * and the caller starts again; a registry that denies the key is told of like a config, and then it resolves.
 */
export async function followNetworkConfig(options: FollowConfigOptions, signal: AbortSignal): Promise<void> {
  const { registry, prefix } = options;
  const key = configKey(prefix);
  const read = await registry.read(key, signal).catch(denialOf);
  if (read instanceof OverlayError) {
    options.onConfig({ ok: false, problem: read });
    return; // no reason to disturb those who can do their work on the same connection
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
    return { ok: true, config: parseConfigEntry(prefix, entry) };
  } catch (err) {
    if (!(err instanceof OverlayError)) throw err;
    return { ok: false, problem: err };
  }
}
