/** Follows the interface and address that carry the outer packets while the agent runs. */
import { isDeepStrictEqual } from "node:util";
import { reasonOf } from "../../net/reason-of.ts";
import { Upkeep } from "../loops/upkeep.ts";
import type { UpkeepDeps } from "../loops/upkeep.ts";
import type { UnderlayView } from "./start-plan.ts";

/** Without an event: a change that nobody told us of. */
const LOOK_EVERY_MS = 30_000;

export interface UnderlayFollowerDeps extends UpkeepDeps {
  /** What the node works on now; null while it could not be moved. */
  readonly current: () => UnderlayView | null;
  /** @throws {OverlayError} `ERR_INTERFACE_MISSING` while there is no usable one */
  readonly read: (signal: AbortSignal) => Promise<UnderlayView>;
  /** Moves the node to another underlay. @throws what failed; it is tried again */
  readonly move: (view: UnderlayView, signal: AbortSignal) => Promise<void>;
  /** The interface got or lost an address that is not the node's: nothing moves, but other networks are on-link. */
  readonly note: (view: UnderlayView) => void;
  /** Hears after each look what keeps the node from its underlay, or null. */
  readonly onOutcome: (problem: string | null) => void;
}

/** A loop that reads the underlay when it is told to, and moves the node when it has changed. */
export function createUnderlayFollower(deps: UnderlayFollowerDeps): Upkeep {
  const task = {
    apply: () => Promise.resolve(),
    canAudit: () => true,
    async audit(signal: AbortSignal) {
      const view = await deps.read(signal);
      const current = deps.current();
      if (current === null || !isDeepStrictEqual(view.underlay, current.underlay)) {
        await deps.move(view, signal);
        deps.onOutcome(null);
        return 1;
      }
      if (!isDeepStrictEqual(view.underlayPrefixes, current.underlayPrefixes)) deps.note(view);
      deps.onOutcome(null);
      return 0;
    },
    onFailure: (err: unknown) => deps.onOutcome(reasonOf(err)),
    failureText: "Cannot follow the underlay, will retry",
    recoveryText: "The underlay is as it should be again",
  };
  return new Upkeep(task, deps, LOOK_EVERY_MS);
}
