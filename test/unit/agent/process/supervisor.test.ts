import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Supervisor } from "../../../../src/agent/process/supervisor.ts";
import { OverlayError } from "../../../../src/net/overlay-error.ts";
import { recordLog } from "../../../support/log-lines.ts";

describe("Supervisor", () => {
  /** What systemd would receive. */
  let told: string[];
  let failure: OverlayError | null;
  let recorded: ReturnType<typeof recordLog>;
  let supervisor: Supervisor;

  beforeEach(() => {
    vi.useFakeTimers();
    told = [];
    failure = null;
    recorded = recordLog();
    const notify = (state: string): OverlayError | null => {
      told.push(state);
      return failure;
    };
    supervisor = new Supervisor({ notify }, recorded.log);
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  /** What the log heard, one text a line. */
  function logged(): string[] {
    return recorded.lines.map(({ level, msg }) => `${level}: ${msg}`);
  }

  it("tells systemd that the start is done once, and each reason as the status", () => {
    supervisor.onReadiness("No subnet is leased yet");
    supervisor.onReadiness(null);
    supervisor.onReadiness("etcd does not answer");
    supervisor.onReadiness(null);
    supervisor.onStop();
    expect(told).toEqual([
      "STATUS=No subnet is leased yet",
      "READY=1\nSTATUS=Forwarding",
      "STATUS=etcd does not answer",
      "STATUS=Forwarding",
      "STOPPING=1\nSTATUS=Stopping",
    ]);
  });

  it("keeps a reason of several lines from being an assignment of its own", () => {
    supervisor.onReadiness("Cannot write\nMAINPID=1");
    expect(told).toEqual(["STATUS=Cannot write MAINPID=1"]);
  });

  it("logs becoming ready and no longer ready; the steps of a start are for debugging", () => {
    supervisor.onReadiness("No subnet is leased yet");
    supervisor.onReadiness(null);
    supervisor.onReadiness("etcd does not answer");
    supervisor.onReadiness("The subnet is lost");
    supervisor.onReadiness(null);
    expect(logged()).toEqual([
      "debug: Not ready",
      "info: Ready",
      "warn: No longer ready",
      "debug: Not ready",
      "info: Ready",
    ]);
    expect(recorded.lines[2]?.reason).toBe("etcd does not answer");
  });

  it("gives a sign of life twice in the watchdog's time", () => {
    supervisor.startWatchdog(10_000);
    vi.advanceTimersByTime(4_999);
    expect(told).toEqual([]);
    vi.advanceTimersByTime(5_001);
    expect(told).toEqual(["WATCHDOG=1", "WATCHDOG=1"]);
  });

  it("gives it once a minute under a watchdog of months, which no timer can hold", () => {
    supervisor.startWatchdog(100 * 24 * 3_600_000);
    vi.advanceTimersByTime(120_000);
    expect(told).toEqual(["WATCHDOG=1", "WATCHDOG=1"]);
  });

  it("says once that systemd cannot be reached, and again after it could", () => {
    failure = new OverlayError("ERR_SOCKET_FAILED", "Cannot notify systemd at /run/notify: ENOENT");
    supervisor.startWatchdog(10_000);
    vi.advanceTimersByTime(20_000);
    expect(logged()).toEqual(["warn: Cannot notify systemd"]);
    failure = null;
    vi.advanceTimersByTime(5_000);
    failure = new OverlayError("ERR_SOCKET_FAILED", "Cannot notify systemd at /run/notify: ENOENT");
    vi.advanceTimersByTime(5_000);
    expect(logged()).toEqual(["warn: Cannot notify systemd", "warn: Cannot notify systemd"]);
  });
});
