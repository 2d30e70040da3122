/** What systemd (sd_notify(3)) and the log hear of the agent's state. */
import type { Logger } from "pino";
import type { SystemdNotifier } from "./systemd.ts";

/** Longest pause between two signs of life, far below what a JavaScript timer can hold (24 days). */
const MAX_SIGN_PAUSE_MS = 60_000;

/** Tells systemd and the log of each change. */
export class Supervisor {
  readonly #notifier: SystemdNotifier;
  readonly #log: Logger;
  #hasBeenReady = false;
  #isReady = false;
  #isFailing = false;

  constructor(notifier: SystemdNotifier, log: Logger) {
    this.#notifier = notifier;
    this.#log = log;
  }

  /** Passes readiness on: the first time as READY=1, later changes as a status line. */
  onReadiness(reason: string | null): void {
    this.#logReadiness(reason);
    const isFirst = reason === null && !this.#hasBeenReady;
    this.#hasBeenReady ||= isFirst;
    // A line feed would begin another assignment.
    const status = `STATUS=${(reason ?? "Forwarding").replaceAll("\n", " ")}`;
    this.#notify(isFirst ? `READY=1\n${status}` : status);
  }

  /** The steps of a start are for debugging; to be no longer ready is not. */
  #logReadiness(reason: string | null): void {
    if (reason === null) this.#log.info("Ready");
    else if (this.#isReady) this.#log.warn({ reason }, "No longer ready");
    else this.#log.debug({ reason }, "Not ready");
    this.#isReady = reason === null;
  }

  onStop(): void {
    this.#notify("STOPPING=1\nSTATUS=Stopping");
  }

  /** Gives a sign of life at least twice in each watchdog time, from the event loop: a loop that hangs gives none. */
  startWatchdog(watchdogMs: number): void {
    const pauseMs = Math.min(watchdogMs / 2, MAX_SIGN_PAUSE_MS);
    setInterval(() => this.#notify("WATCHDOG=1"), pauseMs).unref();
  }

  #notify(state: string): void {
    const err = this.#notifier.notify(state);
    if (err !== null && !this.#isFailing) this.#log.warn({ err }, "Cannot notify systemd");
    this.#isFailing = err !== null;
  }
}
