import type { Logger } from "pino";
import type { Clock } from "../net/clock.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { FailureLog } from "./failure-log.ts";
import { configKey } from "./lease-codec.ts";
import { parseNetworkConfig } from "./network-config.ts";
import type { NetworkConfig } from "./network-config.ts";
import type { Registry, RegistryEntry } from "./registry.ts";

/** As flannel: an operator who writes the config while agents wait sees them start at once. */
const RETRY_AFTER_MS = 1000;
/** A config has a few hundred bytes; etcd would store 1.5 MiB. */
const MAX_CONFIG_BYTES = 65_536;
/** The shortest that works, for whoever has written none yet. */
const EXAMPLE_CONFIG = '{"Network":"10.244.0.0/16"}';

/** What the wait for the network config needs. */
export interface WaitForConfigOptions {
  readonly registry: Registry;
  /** Of every key, as `/coreos.com/network`. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Hears of every attempt that has failed and will be made again. */
  readonly onWait?: (err: OverlayError) => void;
}

/**
 * Reads the network config; while it is missing, unreadable or invalid, tries again every second.
 * @throws {OverlayError} `ERR_REGISTRY_DENIED` when the very first attempt is refused: waiting helps nobody then
 */
export async function waitForNetworkConfig(options: WaitForConfigOptions): Promise<NetworkConfig> {
  const { registry, prefix, clock, log, signal, onWait } = options;
  const failures = new FailureLog(clock);
  for (let isFirst = true; ; isFirst = false) {
    try {
      return await readNetworkConfig(registry, prefix, signal);
    } catch (err) {
      signal.throwIfAborted();
      if (!(err instanceof OverlayError)) throw err;
      if (isFirst && err.code === "ERR_REGISTRY_DENIED") throw err;
      onWait?.(err);
      if (failures.isNews(err.message)) {
        log.error({ err, ...err.fields }, "Cannot read the network config, will retry every second");
      }
    }
    await clock.sleep(RETRY_AFTER_MS, signal);
  }
}

/**
 * Reads the network config once.
 * @throws {OverlayError} `ERR_CONFIG_MISSING`, `ERR_CONFIG_INVALID`, what the registry's `read` throws
 */
export async function readNetworkConfig(
  registry: Registry,
  prefix: string,
  signal: AbortSignal,
): Promise<NetworkConfig> {
  const { entry } = await registry.read(configKey(prefix), signal);
  return parseConfigEntry(prefix, entry);
}

/**
 * The network config that its key holds; null: the key does not exist.
 * @throws {OverlayError} `ERR_CONFIG_MISSING`, `ERR_CONFIG_INVALID`
 */
export function parseConfigEntry(prefix: string, entry: RegistryEntry | null): NetworkConfig {
  const key = configKey(prefix);
  if (entry === null) {
    throw new OverlayError(
      "ERR_CONFIG_MISSING",
      `Cannot read the network config: key ${key} does not exist; ` +
        `write it with etcdctl put ${key} '${EXAMPLE_CONFIG}', or check --etcd-prefix`,
      { key },
    );
  }
  if (entry.value.byteLength > MAX_CONFIG_BYTES) {
    const problem = `it has ${entry.value.byteLength} bytes, more than ${MAX_CONFIG_BYTES}`;
    throw new OverlayError("ERR_CONFIG_INVALID", `Cannot use the network config: ${problem}`, { key });
  }
  return parseNetworkConfig(new TextDecoder().decode(entry.value));
}
