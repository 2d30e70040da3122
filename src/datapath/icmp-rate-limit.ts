/** How many ICMP errors we send: few to each sender, few in all, in memory that does not grow. */

/** Errors to one sender: 10 at once (a traceroute sends up to 3 probes a hop), then 10 each second. */
const SENDER_BURST = 10;
const SENDER_INTERVAL_MS = 100;

/** Errors in all: 100 at once, then 100 each second; a flood of forged sources gets no more than that. */
const TOTAL_BURST = 100;
const TOTAL_INTERVAL_MS = 10;

/** Senders that differ in the low 10 bits never share a slot: all of an own subnet up to /22. */
const SLOTS = 1024;

/**
 * Decides which ICMP errors to send. Each slot holds one time, "full at": the generic cell rate algorithm (ITU-T
 * I.371 annex A), which is a token bucket without a count to refill. Senders that fall into one slot share it.
 */
export class IcmpRateLimit {
  readonly #senderFullAtMs = new Float64Array(SLOTS).fill(-Infinity);
  #totalFullAtMs = -Infinity;

  /**
   * Whether an error to this sender may be sent now; if so, it is counted as sent. Allocates nothing.
   * @param sender its IPv4 address, or the low 32 bits of its IPv6 address, in host order
   * @param nowMs time that never goes back
   */
  allow(sender: number, nowMs: number): boolean {
    const slot = sender & (SLOTS - 1);
    const senderFullAtMs = Math.max(this.#senderFullAtMs[slot] ?? nowMs, nowMs) + SENDER_INTERVAL_MS;
    const totalFullAtMs = Math.max(this.#totalFullAtMs, nowMs) + TOTAL_INTERVAL_MS;
    if (senderFullAtMs - nowMs > SENDER_BURST * SENDER_INTERVAL_MS) return false;
    if (totalFullAtMs - nowMs > TOTAL_BURST * TOTAL_INTERVAL_MS) return false;
    this.#senderFullAtMs[slot] = senderFullAtMs;
    this.#totalFullAtMs = totalFullAtMs;
    return true;
  }
}
