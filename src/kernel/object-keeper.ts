/** Keeps the objects of kernel-objects.ts: small steps while nothing goes wrong, a comparison with the kernel when it does. */
import type {
  AuditResult,
  KernelObjects,
  ObjectKeeper,
  ObjectKeeperDeps,
  ObjectScope,
} from "./kernel-objects.ts";
import { planChanges } from "./object-changes.ts";
import { countCommands } from "./object-commands.ts";
import type { ObjectCommands } from "./object-commands.ts";
import { planObjects } from "./object-plan.ts";
import type { RouteConflict } from "./object-plan.ts";
import { readObjects } from "./read-objects.ts";
import { placeOf } from "./routes.ts";
import type { Route } from "./routes.ts";

/** A keeper that has made nothing yet. */
export function createObjectKeeper(scope: ObjectScope, deps: ObjectKeeperDeps): ObjectKeeper {
  return new Keeper(scope, deps);
}

class Keeper implements ObjectKeeper {
  readonly #scope: ObjectScope;
  readonly #deps: ObjectKeeperDeps;
  /** Of the last `sync`; null before the first. */
  #wanted: KernelObjects | null = null;
  /** The kernel held what was wanted, but for the conflicts, when we last wrote. */
  #isApplied = false;
  /** By place. */
  #conflicts: ReadonlyMap<string, RouteConflict> = new Map();

  constructor(scope: ObjectScope, deps: ObjectKeeperDeps) {
    this.#scope = scope;
    this.#deps = deps;
  }

  async sync(wanted: KernelObjects, signal: AbortSignal): Promise<void> {
    const old = this.#wanted;
    this.#wanted = wanted;
    if (old !== null && this.#isApplied && (await this.#isChanged(old, wanted, signal))) return;
    await this.audit(signal);
  }

  async audit(signal: AbortSignal): Promise<AuditResult> {
    const wanted = this.#wanted;
    if (wanted === null) return { repairs: 0, conflicts: [] };
    this.#isApplied = false;
    const present = await readObjects(this.#scope, this.#deps, signal);
    const { commands, conflicts } = planObjects(wanted, present, this.#scope);
    this.#report(conflicts);
    await this.#apply(commands, signal);
    this.#isApplied = true;
    return { repairs: countCommands(commands), conflicts: conflicts.map((conflict) => conflict.wanted) };
  }

  /** False when the kernel did not take all of the changes. */
  async #isChanged(old: KernelObjects, wanted: KernelObjects, signal: AbortSignal): Promise<boolean> {
    const isHeld = (place: string): boolean => !this.#conflicts.has(place);
    const commands = planChanges(old, wanted, this.#scope.deviceName, isHeld);
    this.#isApplied = false;
    try {
      await this.#apply(commands, signal);
    } catch (err) {
      signal.throwIfAborted();
      this.#deps.log.debug({ err }, "Kernel objects are not as they were left, comparing all of them");
      return false;
    }
    this.#isApplied = true;
    return true;
  }

  /** Runs every batch, also after one that failed; then throws what the first one did. */
  async #apply({ before, bridge, after }: ObjectCommands, signal: AbortSignal): Promise<void> {
    const failures: unknown[] = [];
    const note = (err: unknown): void => {
      signal.throwIfAborted();
      failures.push(err);
    };
    await this.#deps.ip.apply(before, signal).catch(note);
    await this.#deps.bridge.apply(bridge, signal).catch(note);
    await this.#deps.ip.apply(after, signal).catch(note);
    if (failures.length > 0) throw failures[0];
  }

  /** One line when a conflict comes, and one when it is over. */
  #report(conflicts: readonly RouteConflict[]): void {
    const { log } = this.#deps;
    const before = this.#conflicts;
    const now = new Map(conflicts.map((conflict) => [placeOf(conflict.wanted), conflict]));
    for (const [place, { wanted, foreign }] of now) {
      if (before.has(place)) continue;
      log.warn(
        { ...factsOf(wanted), foreign: describeWay(foreign), foreignProtocol: foreign.protocol },
        "Route of somebody else has the place of ours, leaving it",
      );
    }
    for (const [place, { wanted }] of before) {
      if (!now.has(place)) log.info(factsOf(wanted), "Route of somebody else has the place of ours no more");
    }
    this.#conflicts = now;
  }
}

function factsOf(wanted: Route): Readonly<Record<string, string>> {
  return { destination: wanted.destination.toString(), wanted: describeWay(wanted) };
}

function describeWay({ kind, gateway, interfaceName }: Route): string {
  const via = gateway === null ? [] : ["via", gateway.toString()];
  const dev = interfaceName === null ? [] : ["dev", interfaceName];
  return [...(kind === "unicast" ? [] : [kind]), ...via, ...dev].join(" ");
}
