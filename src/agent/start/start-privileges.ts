/** What a start must be allowed to do, tried without doing it. */
import { open, readFile } from "node:fs/promises";
import type { Backend } from "../../backends/backend.ts";
import { OverlayError } from "../../net/overlay-error.ts";

const TUN_DEVICE = "/dev/net/tun";
/** Number of the capability, and so of its bit in `CapEff` (capabilities(7), proc(5)). */
const CAP_NET_ADMIN = 12n;

/** What this process has of what backends need. */
export interface Privileges {
  readonly hasNetAdmin: boolean;
  /** Why /dev/net/tun cannot be opened, as `ENOENT`; null: it can. */
  readonly tunProblem: string | null;
}

/** Looks at this process and opens the TUN's device node for a moment, which makes no device. */
export async function readPrivileges(): Promise<Privileges> {
  const [status, tunProblem] = await Promise.all([readFile("/proc/self/status", "utf8"), tryTun()]);
  return { hasNetAdmin: hasNetAdmin(status), tunProblem };
}

/** Whether CAP_NET_ADMIN is effective, from the text of /proc/PID/status. */
export function hasNetAdmin(status: string): boolean {
  const [, effective] = /^CapEff:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> CAP_NET_ADMIN) & 1n) === 1n;
}

/**
 * Refuses what a start with this backend would fail with.
 * @throws {OverlayError} `ERR_TUN_DENIED`, or `ERR_KERNEL_FAILED` where the backend has no TUN
 */
export function assertPrivileges(
  { type, carriesPackets, engineName }: Pick<Backend, "type" | "carriesPackets" | "engineName">,
  { hasNetAdmin: isNetAdmin, tunProblem }: Privileges,
): void {
  const hasTun = engineName !== null;
  if (carriesPackets && !isNetAdmin) {
    throw new OverlayError(
      hasTun ? "ERR_TUN_DENIED" : "ERR_KERNEL_FAILED",
      `Cannot start with backend ${type}: CAP_NET_ADMIN is missing, be root or, in a container, add the capability`,
    );
  }
  if (hasTun && tunProblem !== null) {
    throw new OverlayError(
      "ERR_TUN_DENIED",
      `Cannot start with backend ${type}: ${TUN_DEVICE} cannot be opened, ${tunProblem}: load the module tun or, in a container, add the device`,
    );
  }
}

async function tryTun(): Promise<string | null> {
  try {
    await (await open(TUN_DEVICE, "r+")).close();
    return null;
  } catch (err) {
    return err instanceof Error && "code" in err ? String(err.code) : String(err);
  }
}
