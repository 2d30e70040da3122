/** What keeps the event loop alive, seen from a test that wants nothing of its own left behind. */
import { eventually } from "./eventually.ts";

/** Other programs with their pipes, and what ends by itself within the turn. */
const NOT_COUNTED = /^(?:FSReq|Immediate$|Pipe|ProcessWrap$)/;

/** Names of the sockets, timers and requests there are now, sorted. */
export function handles(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((name) => !NOT_COUNTED.test(name))
    .sort();
}

/**
 * Waits until there are none: what an earlier test has closed may keep a timer of grpc-js until the
 * deadline of its last call, and would be taken for a part of what this test starts with.
 */
export async function untilNoHandles(): Promise<void> {
  await eventually(() => {
    const left = handles();
    if (left.length > 0) throw new Error(`There are handles left: ${left.join(", ")}`);
  });
}
