/** Whether the agent does its whole job, and if not, why: the answer of `/readyz`. */

/**
 * What can stand in the way, the most telling first:
 * - `start`: the start-up is not done, the reason says which step it is at
 * - `underlay`: there is no usable one, or the node could not be moved to it
 * - `lease`: the own subnet is not ours at the moment
 * - `address`: peers send to an older lease that has our address
 * - `peers`: the last sync of the backend failed
 * - `firewall`: the first attempt to make the rules is under way
 * - `subnet-file`: the file could not be written
 * - `registry`: nothing was heard of etcd for too long
 */
export const OBSTACLES = [
  "start",
  "underlay",
  "lease",
  "address",
  "peers",
  "firewall",
  "subnet-file",
  "registry",
] as const;
export type Obstacle = (typeof OBSTACLES)[number];

/** The obstacles that stand now. */
export class Readiness {
  readonly #reasons = new Map<Obstacle, string>();
  readonly #onChange: (reason: string | null) => void;

  /** `onChange` hears of each change of {@link reason}. */
  constructor(firstStep: string, onChange: (reason: string | null) => void) {
    this.#reasons.set("start", firstStep);
    this.#onChange = onChange;
  }

  /** One sentence about the first obstacle, or null when the agent is ready. */
  get reason(): string | null {
    for (const obstacle of OBSTACLES) {
      const reason = this.#reasons.get(obstacle);
      if (reason !== undefined) return reason;
    }
    return null;
  }

  /** Sets the obstacle with a reason, or clears it with null. */
  set(obstacle: Obstacle, reason: string | null): void {
    const before = this.reason;
    if (reason === null) this.#reasons.delete(obstacle);
    else this.#reasons.set(obstacle, reason);
    if (this.reason !== before) this.#onChange(this.reason);
  }
}
