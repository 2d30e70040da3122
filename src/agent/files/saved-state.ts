import type { Logger } from "pino";
import type { Clock } from "../../net/clock.ts";
import { formatCachedState } from "../../peers/cached-state.ts";
import type { CachedLease, CachedState } from "../../peers/cached-state.ts";
import { DebouncedWriter } from "../../peers/debounced-writer.ts";
import type { LeaseState } from "../../subnet-lease/lease-state.ts";
import type { OverlaySnapshot } from "../overlay/overlay.ts";
import { replaceFile } from "../../files/replace-file.ts";
import type { FileModes } from "../../files/replace-file.ts";

/** A renewal only moves the end of the lease; it is written down when it has moved this far. */
const EXPIRY_STEP_MS = 60_000;
/** Where every node is: nobody else's business, even if somebody has opened the file to others. */
const MODES: FileModes = { fileMode: 0o600, keepsFileMode: false, directoryMode: 0o700 };

/** Writes down what the next start needs to forward at once. */
export class SavedState {
  readonly #etcdPrefix: string;
  readonly #clock: Clock;
  readonly #writer: DebouncedWriter<CachedState>;
  #savedExpiryMs: number | null = null;

  constructor(path: string, etcdPrefix: string, deps: { readonly clock: Clock; readonly log: Logger }) {
    this.#etcdPrefix = etcdPrefix;
    this.#clock = deps.clock;
    const write = (state: CachedState): Promise<void> => replaceFile(path, formatCachedState(state), MODES);
    this.#writer = new DebouncedWriter({ ...deps, write });
  }

  /** Saves the overlay as it is, once the registry has told of its peers and the lease is decided. */
  save({ config, lease, registryMark, peers }: OverlaySnapshot): void {
    const isDecided = lease.kind === "held" || lease.kind === "lost";
    if (registryMark === null || !isDecided) return;
    this.#savedExpiryMs = expiryOf(lease);
    this.#writer.set({
      etcdPrefix: this.#etcdPrefix,
      network: config.network,
      networkConfig: config.text,
      ownLease: this.#describe(lease),
      registry: registryMark,
      peers,
    });
  }

  /** Saves when the lease was renewed since the last time. */
  saveIfRenewed(snapshot: OverlaySnapshot): void {
    const expiryMs = expiryOf(snapshot.lease);
    if (expiryMs !== null && expiryMs - (this.#savedExpiryMs ?? 0) >= EXPIRY_STEP_MS) this.save(snapshot);
  }

  /** Writes what is still to be written. */
  close(): Promise<void> {
    return this.#writer.close();
  }

  #describe(state: LeaseState): CachedLease | null {
    if (state.kind !== "held") return null;
    const { subnet, etcdLeaseId } = state.lease;
    const { expiresAtMs } = state;
    const leftMs = expiresAtMs === null ? null : expiresAtMs - this.#clock.nowMs();
    return {
      subnet,
      etcdLeaseId,
      expiresAtWallMs: leftMs === null ? null : Math.floor(this.#clock.wallMs() + leftMs),
    };
  }
}

function expiryOf(state: LeaseState): number | null {
  return state.kind === "held" ? state.expiresAtMs : null;
}
