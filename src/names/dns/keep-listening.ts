import type { Logger } from "pino";
import type { Clock } from "../../net/clock.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { FailureLog } from "../../subnet-lease/failure-log.ts";
import { DnsServer } from "./dns-server.ts";
import type { DnsServerOptions } from "./dns-server.ts";

/** A bridge that comes up is served soon after. */
const RETRY_AFTER_MS = 1_000;
const TELL_COUNTS_EVERY_MS = 10_000;

/**
 * Answers on the address as soon as it is there, until the signal is aborted; then closes and resolves. A socket outlives
 * the address: when that goes and comes back, it answers again.
 */
export async function keepListening(options: DnsServerOptions, signal: AbortSignal): Promise<void> {
  const { clock, log } = options;
  const failures = new FailureLog(clock);
  while (!signal.aborted) {
    const server = await tryOpen(options, failures, log);
    if (server === null) await clock.sleep(RETRY_AFTER_MS, signal).catch(() => undefined);
    else await serveToEnd(server, clock, signal);
  }
}

async function serveToEnd(server: DnsServer, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(TELL_COUNTS_EVERY_MS, signal).catch(() => undefined);
    server.tellCounts();
  }
  await server.close();
}

async function tryOpen(
  options: DnsServerOptions,
  failures: FailureLog,
  log: Logger,
): Promise<DnsServer | null> {
  try {
    const server = await DnsServer.open(options);
    log.info({ address: options.address, port: options.port, zone: options.zone.name }, "Ready");
    return server;
  } catch (err) {
    if (!(err instanceof OverlayError)) throw err;
    if (failures.isNews(err.message)) log.warn({ err, ...err.fields }, "Cannot answer questions, will retry");
    return null;
  }
}
