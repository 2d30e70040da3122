/** This host's lease, as the subnet file has it, followed: it may come later, and may be another one day. */
import type { Logger } from "pino";
import { readSubnetFile } from "../files/read-subnet-file.ts";
import type { SubnetFile } from "../files/subnet-file.ts";
import type { Clock } from "../net/clock.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { FailureLog } from "../subnet-lease/failure-log.ts";

const LOOK_EVERY_MS = 1_000;

/** What of the lease matters for names. */
export type NamesLease = Pick<SubnetFile, "network" | "subnet" | "gateway">;

export interface FollowLeaseOptions {
  readonly subnetFile: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * The lease, as soon as there is one that is not `former`. Without a file nobody knows, and the former holds.
 * Rejects with the signal's reason when it is aborted.
 */
export async function nextLease(
  { subnetFile, clock, log }: FollowLeaseOptions,
  former: NamesLease | null,
  signal: AbortSignal,
): Promise<NamesLease> {
  const failures = new FailureLog(clock);
  for (;;) {
    signal.throwIfAborted();
    try {
      const { network, subnet, gateway } = await readSubnetFile(subnetFile);
      if (former === null || !isSame({ network, subnet, gateway }, former))
        return { network, subnet, gateway };
    } catch (err) {
      if (!(err instanceof OverlayError)) throw err;
      if (former === null && failures.isNews(err.message))
        log.warn({ err, ...err.fields }, "Waiting for this host's subnet");
    }
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
}

function isSame(a: NamesLease, b: NamesLease): boolean {
  return a.network.equals(b.network) && a.subnet.equals(b.subnet) && a.gateway.equals(b.gateway);
}
