/** What iputils `ping -n -D` prints, turned into counts. */

/** Echo requests of one run and what came back. `lost` is `sent` minus `received`, exactly. */
export interface PingCounts {
  readonly sent: number;
  /** Requests that were answered at least once. */
  readonly received: number;
  readonly lost: number;
  /** Further answers to a request that was answered already. */
  readonly duplicates: number;
  /** Mean round trip time in milliseconds; null when nothing came back. */
  readonly rttAvgMs: number | null;
  /** Longest time between two answers that followed each other; null with fewer than two. */
  readonly longestGapMs: number | null;
  /** TTL that the answers arrived with; null when nothing came back. */
  readonly ipTtl: number | null;
  /** Sequence numbers of the requests that were not answered, from 1. */
  readonly lostSequences: readonly number[];
}

const REPLY =
  /^\[([0-9]+\.[0-9]+)\] [0-9]+ bytes from [^ ]+ icmp_seq=([0-9]+) ttl=([0-9]+) time=([0-9.]+) ms( \(DUP!\))?/;
const SUMMARY = /^([0-9]+) packets transmitted, [0-9]+ received/m;

/** Requests that may be on their way when a ping ends: 10 of them are 100 ms at the usual interval. */
export const MAX_UNDER_WAY = 10;

/**
 * Reads a whole output, or gives null when it has no summary: then ping did not run to its end. iputils waits
 * two round trips for the last answers, which a busy machine exceeds. So either only the requests up to
 * number `counted` are counted, and more were sent until those were answered ({@link watchAnswers}); or with "settled",
 * for a ping that was interrupted, up to {@link MAX_UNDER_WAY} at the end without an answer are left out.
 */
export function parsePingOutput(output: string, counted: number | "settled"): PingCounts | null {
  const transmitted = SUMMARY.exec(output)?.[1];
  if (transmitted === undefined) return null;
  const all = parseReplies(output.split("\n"));
  const sent = countSent(Number(transmitted), all, counted);
  const replies = all.filter((reply) => reply.sequence <= sent);
  const first = replies.filter((reply) => !reply.isDuplicate);
  const answered = new Set(first.map((reply) => reply.sequence));
  const lostSequences: number[] = [];
  for (let sequence = 1; sequence <= sent; sequence++) {
    if (!answered.has(sequence)) lostSequences.push(sequence);
  }
  return {
    sent,
    received: answered.size,
    lost: lostSequences.length,
    duplicates: replies.length - first.length,
    rttAvgMs: first.length === 0 ? null : mean(first.map((reply) => reply.rttMs)),
    longestGapMs: longestGap(first.map((reply) => reply.atMs)),
    ipTtl: first[0]?.ipTtl ?? null,
    lostSequences,
  };
}

function countSent(transmitted: number, replies: readonly Reply[], counted: number | "settled"): number {
  if (counted !== "settled") return Math.min(transmitted, counted);
  const lastAnswered = Math.max(0, ...replies.map((reply) => reply.sequence));
  return transmitted - lastAnswered <= MAX_UNDER_WAY ? lastAnswered : transmitted;
}

/**
 * Tells, given the output of a ping that runs piece by piece, whether its first `count` requests are all answered: then
 * nothing is left to wait for.
 */
export function watchAnswers(count: number): (piece: string) => boolean {
  const missing = new Set(Array.from({ length: count }, (_, i) => i + 1));
  let unfinished = "";
  return (piece) => {
    const lines = (unfinished + piece).split("\n");
    unfinished = lines.pop() ?? "";
    for (const { sequence } of parseReplies(lines)) missing.delete(sequence);
    return missing.size === 0;
  };
}

/** Answered requests so far, in the output of a ping that still runs. */
export function countAnswers(output: string): number {
  return parseReplies(output.split("\n")).filter((reply) => !reply.isDuplicate).length;
}

/** Round trip time of each request that was answered, in milliseconds, in the order of the answers. */
export function roundTripsMs(output: string): number[] {
  return parseReplies(output.split("\n"))
    .filter((reply) => !reply.isDuplicate)
    .map((reply) => reply.rttMs);
}

interface Reply {
  readonly atMs: number;
  readonly sequence: number;
  readonly ipTtl: number;
  readonly rttMs: number;
  readonly isDuplicate: boolean;
}

function parseReplies(lines: readonly string[]): Reply[] {
  const replies: Reply[] = [];
  for (const line of lines) {
    const match = REPLY.exec(line);
    if (match === null) continue;
    const [, at, sequence, ipTtl, rtt, duplicate] = match;
    replies.push({
      atMs: Number(at) * 1000,
      sequence: Number(sequence),
      ipTtl: Number(ipTtl),
      rttMs: Number(rtt),
      isDuplicate: duplicate !== undefined,
    });
  }
  return replies;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function longestGap(timesMs: readonly number[]): number | null {
  let longest: number | null = null;
  for (let i = 1; i < timesMs.length; i++) {
    const gap = (timesMs[i] ?? 0) - (timesMs[i - 1] ?? 0);
    if (longest === null || gap > longest) longest = gap;
  }
  return longest === null ? null : Math.round(longest * 1000) / 1000;
}
