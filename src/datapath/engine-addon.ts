/** The one way to the addon of the native packet engine. Its functions never throw: a negative result is an errno. */
import { fileURLToPath } from "node:url";
import { OverlayError } from "../net/overlay-error.ts";
import { loadAddonFrom } from "../addon/addon.ts";
import { COUNTER } from "./packet-counters.ts";
import { PEER_COUNTER } from "./peer-counters.ts";

const ADDON_PATH = fileURLToPath(new URL("../../build/twill_engine.node", import.meta.url));

/** An engine, known only to the addon. */
export type EngineHandle = object & { readonly engineHandle: unique symbol };

/** What native/addon/engine_addon_options.c reads. Numbers in host order, bytes in network order. */
export interface NativeEngineOptions {
  readonly tunFds: Int32Array;
  readonly socketFd: number;
  readonly peerPort: number;
  readonly hasVnetHeader: boolean;
  readonly takesUdpRuns: boolean;
  readonly batches: boolean;
  readonly spreadsFlows: boolean;
  readonly isVxlan: boolean;
  readonly vni: number;
  readonly ownMac: Uint8Array;
  readonly ownFirst: number;
  readonly ownLast: number;
  readonly hasIpv6: boolean;
  readonly own6First: Uint8Array;
  readonly own6Last: Uint8Array;
  /** Place in strict, count, off. */
  readonly sourceCheck: number;
  readonly overlayMtu: number;
  readonly maxInnerBytes: number;
  readonly tunAddress: number;
  readonly tunAddress6: Uint8Array;
}

/** Events of native/engine/events.h, in their order. */
export const ENGINE_EVENTS = ["tunLost", "batchRefused", "runRefused", "strangersAdmitted"] as const;

export type EngineEvent = (typeof ENGINE_EVENTS)[number];

/** Values of each event in `engineTakeEvents`: its errno, 0 when nothing happened, and the address it is about. */
export const EVENT_VALUES = 2;

/** What native/addon/engine_addon.c exports. Use {@link openNativeEngine}, not these. */
export interface EngineAddon {
  readonly counterNames: readonly string[];
  readonly peerCounterNames: readonly string[];
  engineOpen(options: NativeEngineOptions): EngineHandle | number;
  engineReplaceTable(engine: EngineHandle, entries: Uint8Array): number;
  engineReadCounters(engine: EngineHandle, out: Float64Array): number;
  engineReadPeers(engine: EngineHandle, out: Float64Array): number;
  engineEventFd(engine: EngineHandle): number;
  engineTakeEvents(engine: EngineHandle, out: Int32Array): number;
  /** 1: several datagrams go in one message. */
  engineHasBatches(engine: EngineHandle): number;
  engineClose(engine: EngineHandle): Promise<void> | number;
}

let loaded: EngineAddon | null = null;

/** The addon, loaded at the first call. @throws {OverlayError} `ERR_ADDON_MISSING` */
export function loadEngineAddon(): EngineAddon {
  return (loaded ??= loadEngineAddonFrom(ADDON_PATH));
}

/** Loads it from this file. @throws {OverlayError} `ERR_ADDON_MISSING` also when it was built from other sources than these */
export function loadEngineAddonFrom(path: string): EngineAddon {
  const addon = loadAddonFrom(path);
  if (hasOurNames(addon)) return addon;
  throw new OverlayError(
    "ERR_ADDON_MISSING",
    `Cannot load the addon: ${path} was built from other sources than these; run scripts/build-native`,
    { path },
  );
}

/** Whether it counts what we do, in our order. One that is older or newer may lack either list. */
function hasOurNames(addon: unknown): addon is EngineAddon {
  const { counterNames, peerCounterNames } = addon as Partial<EngineAddon>;
  return (
    counterNames?.join() === Object.keys(COUNTER).join() &&
    peerCounterNames?.join() === Object.keys(PEER_COUNTER).join()
  );
}
