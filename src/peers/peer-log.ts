import type { Logger } from "pino";
import { BoundedLines } from "../net/bounded-lines.ts";
import { escapeUntrusted } from "../net/untrusted-text.ts";
import type { GuardResult } from "./mass-deletion-guard.ts";
import { HOLD_MS } from "./mass-deletion-guard.ts";
import type { PeerChanges } from "./peer-set.ts";
import type { Peer } from "./peer.ts";
import type { RejectedLease } from "./select-peers.ts";

/** A person reads ten, and a cluster in motion makes a hundred a second. */
const CHANGE_LIMITS = { maxLines: 10, windowMs: 10_000 };
/**
 * Enough to see what is wrong. Whoever writes lies must not fill the disk: with the summary and what the
 * follower of the registry says of keys that are no leases this makes ten lines a minute.
 */
const REJECTION_LIMITS = { maxLines: 4, windowMs: 60_000 };

/** What an operator reads about peers: each change and each rejected lease once, many of them as one line. */
export class PeerLog {
  readonly #log: Logger;
  readonly #changes: BoundedLines;
  readonly #rejections: BoundedLines;
  /** Rejections in the view before, so that a lease that stays is not told again. */
  #known: ReadonlySet<string> = new Set();

  constructor(log: Logger) {
    this.#log = log;
    this.#changes = new BoundedLines(CHANGE_LIMITS, (counts) => log.info(counts, "Peers changed"));
    this.#rejections = new BoundedLines(REJECTION_LIMITS, (counts) =>
      log.warn({ leases: counts }, "More leases rejected, not forwarding to them"),
    );
  }

  /** When {@link logChanges} is due though there may be no change, to sum up what was only counted; or null. */
  get dueMs(): number | null {
    const due = [this.#changes.dueMs, this.#rejections.dueMs].filter((dueMs) => dueMs !== null);
    return due.length === 0 ? null : Math.min(...due);
  }

  /** Tells what changed in the set that is forwarded to. */
  logChanges({ added, removed, changed }: PeerChanges, nowMs: number): void {
    const log = this.#log;
    this.#rejections.flush(nowMs);
    this.#changes.addTogether(
      [
        ...added.map((peer) => ({ kind: "added", write: () => log.info(factsOf(peer), "Peer added") })),
        ...removed.map((peer) => ({ kind: "removed", write: () => log.info(factsOf(peer), "Peer removed") })),
        ...changed.map((peer) => ({ kind: "changed", write: () => log.info(factsOf(peer), "Peer changed") })),
      ],
      nowMs,
    );
  }

  /** Tells of each lease that is not used, once for each write of it and reason; our own is no news. */
  logRejected(rejected: readonly RejectedLease[], nowMs: number): void {
    const told = rejected
      .filter(({ reason }) => reason !== "own")
      .map((entry) => ({ entry, key: keyOf(entry) }));
    this.#rejections.addEach(
      told
        .filter(({ key }) => !this.#known.has(key))
        .map(({ entry }) => ({
          kind: entry.reason,
          write: () => this.#log.warn(rejectionFactsOf(entry), "Lease rejected, not forwarding to it"),
        })),
      nowMs,
    );
    this.#known = new Set(told.map(({ key }) => key));
  }

  /** Tells that peers are held. */
  logAlarm({ cause, missing }: NonNullable<GuardResult["alarm"]>): void {
    this.#log.error(
      { cause, missing, holdSeconds: HOLD_MS / 1_000 },
      "Peers vanished from the registry, forwarding to them for now",
    );
  }
}

function factsOf(peer: Peer): Record<string, string> {
  return { subnet: peer.subnet.toString(), underlayIp: peer.underlayIp.toString() };
}

function rejectionFactsOf({ lease, reason }: RejectedLease): Record<string, string> {
  const { underlayIp, nodeId, backend } = lease.attributes;
  return {
    subnet: lease.subnet.toString(),
    reason,
    underlayIp: underlayIp.toString(),
    ...(nodeId === null ? {} : { nodeId: escapeUntrusted(nodeId) }),
    ...(backend.type === "" ? {} : { backend: escapeUntrusted(backend.type) }),
    revision: lease.revision.toString(),
  };
}

function keyOf({ lease, reason }: RejectedLease): string {
  return `${lease.subnet.toString()}&${lease.subnet6?.toString() ?? ""} ${lease.revision.toString()} ${reason}`;
}
