import type { Clock } from "../../net/clock.ts";
import type { FollowerStatus } from "../../subnet-lease/follow-leases.ts";

/**
 * How long the watch on etcd may be down before the agent is no longer ready. Most restarts of a member take
 * less. A connection that hangs is noticed after 13 s, so at the latest 17 s after etcd froze the agent says so.
 */
export const REGISTRY_STALE_AFTER_MS = 3000;

/** Tells whether etcd is heard of, from what the follower reports now and then. */
export class RegistryContact {
  readonly #clock: Clock;
  #lastStandingMs = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Why the agent is not ready, or null. */
  problem(follower: Pick<FollowerStatus, "isConnected" | "lastContactMs">): string | null {
    const nowMs = this.#clock.nowMs();
    if (follower.isConnected) this.#lastStandingMs = nowMs;
    if (follower.lastContactMs === null) return "etcd has not answered yet";
    const lastMs = Math.max(this.#lastStandingMs, follower.lastContactMs);
    return nowMs - lastMs > REGISTRY_STALE_AFTER_MS
      ? "etcd does not answer, changes of peers are not heard of"
      : null;
  }
}
