/** What systemd (sd_notify(3)) and the log hear of the agent's state. */
import type { Logger } from "pino";
import { systemdNotifier } from "./systemd.ts";

export class Supervisor {
  readonly #notifier: ReturnType<typeof systemdNotifier>;
  readonly #log: Logger;
  #hasBeenReady = false;
  #isReady = false;
  #isFailing = false;

  /** Without a socket, that is not under systemd, only the log hears. */
  constructor(notifySocket: string | null, log: Logger) {
    this.#notifier = systemdNotifier(notifySocket ?? undefined);
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

  /** Gives a sign of life twice in each watchdog time, from the event loop: a loop that hangs gives none. */
  startWatchdog(watchdogMs: number): void {
    setInterval(() => this.#notify("WATCHDOG=1"), watchdogMs / 2).unref();
  }

  #notify(state: string): void {
    const err = this.#notifier.notify(state);
    if (err !== null && !this.#isFailing) this.#log.warn({ err }, "Cannot notify systemd");
    this.#isFailing = err !== null;
  }
}
