/** Pings as probes: how many were sent, how many came back, exactly. */
import { OverlayError } from "../../net/overlay-error.ts";
import { eventually } from "../eventually.ts";
import type { Namespace } from "../machine/namespace.ts";
import { commandFailed } from "../machine/run-command.ts";
import { MAX_UNDER_WAY, countAnswers, parsePingOutput, roundTripsMs, watchAnswers } from "./ping-output.ts";
import type { PingCounts } from "./ping-output.ts";

/** What the packets of a ping look like. */
export interface PingProbeOptions {
  /** Time between two requests. Default {@link DEFAULT_INTERVAL_MS}. */
  readonly intervalMs?: number;
  /** Size of the whole IP packet, at least 36. Default 84. */
  readonly bytes?: number;
  /** Sets DF and keeps this host from fragmenting: what does not fit is lost. Default false. */
  readonly dontFragment?: boolean;
}

/** A ping that ends by itself. */
export interface PingOptions extends PingProbeOptions {
  /** Default 3. */
  readonly count?: number;
  /** How long the last answers are waited for at most. Default 1000. */
  readonly lingerMs?: number;
  readonly signal?: AbortSignal;
}

/** A ping that goes on until it is stopped. */
export interface RunningPing {
  /** Waits until `count` more requests are answered than now. @throws {OverlayError} `ERR_LAB_FAILED` */
  waitForAnswers(count: number, timeoutMs: number): Promise<void>;
  /**
   * Stops the requests, as soon as answers come at once, and counts. The last ones that have no answer yet are not
   * counted. At most 65 535 requests can be told apart.
   */
  stop(): Promise<PingCounts>;
}

const DEFAULT_COUNT = 3;
const DEFAULT_INTERVAL_MS = 10;
const DEFAULT_LINGER_MS = 1_000;
const DEFAULT_BYTES = 84;
/** IPv4 header without options and ICMP echo header. */
const HEADER_BYTES = 28;
/** Room for the start of ping and a busy machine, above the time its packets take. */
const SPARE_MS = 15_000;
/** How long a busy machine is waited for to answer at once. */
const SETTLE_TIMEOUT_MS = 1_000;

/**
 * Counts `count` requests and their answers. More are sent after them until all have come or have been waited for: ping
 * itself waits two round trips for the last ones, which a busy machine exceeds.
 * @throws {OverlayError} `ERR_LAB_FAILED` when ping cannot run
 */
export async function ping(from: Namespace, target: string, options: PingOptions = {}): Promise<PingCounts> {
  const count = options.count ?? DEFAULT_COUNT;
  const lingerMs = options.lingerMs ?? DEFAULT_LINGER_MS;
  const intervalMs = options.intervalMs ?? DEFAULT_INTERVAL_MS;
  const requests = count + Math.max(MAX_UNDER_WAY, Math.ceil(lingerMs / intervalMs));
  const argv = [...pingArguments(options), "-c", `${requests}`, "-W", `${lingerMs / 1000}`, "--", target];
  const result = await from.exec(argv, {
    timeoutMs: requests * intervalMs + lingerMs + SPARE_MS,
    signal: options.signal,
    hasSaidEnough: watchAnswers(count),
  });
  const counts = parsePingOutput(result.stdout, count);
  if (counts !== null) return counts;
  // A host that has no route refuses before the first request: every one of them is lost.
  if (result.stderr.includes("Network is unreachable")) return noneAnswered(count);
  throw commandFailed(argv, result);
}

/** Starts requests that go on until `stop`. */
export function startPing(from: Namespace, target: string, options: PingProbeOptions = {}): RunningPing {
  const argv = [...pingArguments(options), "--", target];
  // With an answer that comes at once no more requests are under way than are left out.
  const promptMs = (MAX_UNDER_WAY * (options.intervalMs ?? DEFAULT_INTERVAL_MS)) / 2;
  const child = from.start(argv, { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const ended = new Promise<void>((resolve) => {
    child.once("error", (err) => {
      stderr += err.message;
      resolve();
    });
    child.once("close", () => resolve());
  });
  const failed = (): OverlayError =>
    new OverlayError("ERR_LAB_FAILED", `Cannot run ${argv.join(" ")}: ${stderr.trim() || "it has ended"}`);
  const giveUp = (): OverlayError | null =>
    child.exitCode === null && child.signalCode === null ? null : failed();
  return {
    async waitForAnswers(count, timeoutMs) {
      const wanted = countAnswers(stdout) + count;
      await eventually(() => Promise.resolve(countAnswers(stdout) >= wanted), {
        what: `see ${count} answers of ${target}`,
        timeoutMs,
        giveUp,
      });
    },
    async stop() {
      const before = roundTripsMs(stdout).length;
      const isPrompt = (): boolean => roundTripsMs(stdout).some((ms, i) => i >= before && ms < promptMs);
      const wait = { what: `see a prompt answer of ${target}`, timeoutMs: SETTLE_TIMEOUT_MS, giveUp };
      await eventually(() => Promise.resolve(isPrompt()), wait).catch(() => undefined); // without one, all of them count
      child.kill("SIGINT");
      await ended;
      const counts = parsePingOutput(stdout, "settled");
      if (counts === null) throw failed();
      return counts;
    },
  };
}

function pingArguments(options: PingProbeOptions): string[] {
  const payloadBytes = (options.bytes ?? DEFAULT_BYTES) - HEADER_BYTES;
  const intervalMs = options.intervalMs ?? DEFAULT_INTERVAL_MS;
  const fragmentation = options.dontFragment === true ? ["-M", "do"] : ["-M", "dont"];
  return ["ping", "-n", "-D", "-i", `${intervalMs / 1000}`, "-s", `${payloadBytes}`, ...fragmentation];
}

function noneAnswered(count: number): PingCounts {
  return {
    sent: count,
    received: 0,
    lost: count,
    duplicates: 0,
    rttAvgMs: null,
    longestGapMs: null,
    ipTtl: null,
    lostSequences: Array.from({ length: count }, (_, i) => i + 1),
  };
}
