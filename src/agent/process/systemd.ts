/** Tells systemd how the agent is (sd_notify(3)). */
import { errnoName, loadAddon } from "../../addon/addon.ts";
import { OverlayError } from "../../net/overlay-error.ts";

export interface SystemdNotifier {
  /**
   * Sends `state`, lines of `NAME=value` such as "READY=1" or "WATCHDOG=1", without waiting. Returns the failure
   * instead of throwing it: an agent forwards packets whether or not its supervisor listens.
   */
  notify(state: string): OverlayError | null;
}

/**
 * A notifier to the socket named by NOTIFY_SOCKET: a path, or "@" and an abstract name. Without one, that is
 * not under systemd, `notify` does nothing.
 */
export function systemdNotifier(notifySocketPath: string | null): SystemdNotifier {
  if (notifySocketPath === null) return { notify: () => null };
  return {
    notify(state) {
      const status = loadAddon().sendUnixDatagram(notifySocketPath, state);
      if (status >= 0) return null;
      const errno = errnoName(status);
      return new OverlayError("ERR_SOCKET_FAILED", `Cannot notify systemd at ${notifySocketPath}: ${errno}`, {
        notifySocketPath,
        errno,
      });
    },
  };
}
