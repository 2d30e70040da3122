import type { Clock } from "../net/clock.ts";

/** An etcd lease of the registry in memory: the keys that end with it, and the time it has left. */
export class MemoryEtcdLease {
  readonly id: bigint;
  readonly ttlSeconds: number;
  readonly keys = new Set<string>();
  readonly #clock: Clock;
  readonly #ended = new AbortController();
  #expiresAtMs = 0;

  constructor(id: bigint, ttlSeconds: number, clock: Clock) {
    this.id = id;
    this.ttlSeconds = ttlSeconds;
    this.#clock = clock;
    this.renew();
  }

  renew(): void {
    this.#expiresAtMs = this.#clock.nowMs() + this.ttlSeconds * 1000;
  }

  /** Ends the wait for its last moment: it is revoked, or the registry is no more. */
  end(): void {
    this.#ended.abort();
  }

  /** Resolves with true when its time is over, however often it was renewed, or false when it was ended before. */
  async runsOut(): Promise<boolean> {
    try {
      for (let leftMs = this.#leftMs(); leftMs > 0; leftMs = this.#leftMs()) {
        await this.#clock.sleep(leftMs, this.#ended.signal);
      }
      return true;
    } catch {
      return false;
    }
  }

  #leftMs(): number {
    return this.#expiresAtMs - this.#clock.nowMs();
  }
}
