/** Reads, writes what differs, and reads again, until nothing differs. */
import { OverlayError } from "../../net/overlay-error.ts";

/** A second try is for another program that wrote between our read and our write; a third for a busy one. */
const MAX_ROUNDS = 3;

/** One transaction that is to be made. */
export interface FirewallChange {
  /** What it changes, for the message when that does not stay: `table nat`. */
  readonly place: string;
  /** What the program reads. */
  readonly script: string;
}

/**
 * Makes the changes that `plan` finds, until it finds none. A write that fails is planned anew from what then stands:
 * rules that we were to delete may be gone by now.
 * @param plan reads what stands and compares
 * @returns number of changes written; where nothing differs `plan` is called once and `write` never
 * @throws {OverlayError} what the last write threw, or `ERR_KERNEL_FAILED` when what was written does not read back as
 *   it should: an unknown version prints it in another form, or somebody changes it all the time
 */
export async function writeUntilEqual(
  plan: () => Promise<readonly FirewallChange[]>,
  write: (change: FirewallChange) => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  let written = 0;
  let failure: OverlayError | null = null;
  for (let round = 0; ; round++) {
    const changes = await plan();
    if (changes.length === 0) return written;
    if (round === MAX_ROUNDS) throw failure ?? notKept(changes);
    failure = null;
    for (const change of changes) {
      try {
        await write(change);
        written++;
      } catch (err) {
        signal.throwIfAborted();
        if (!(err instanceof OverlayError)) throw err;
        failure = err;
      }
    }
  }
}

function notKept(changes: readonly FirewallChange[]): OverlayError {
  const places = changes.map(({ place }) => place).join(", ");
  return new OverlayError(
    "ERR_KERNEL_FAILED",
    `Cannot keep our firewall rules: ${places} differs again after ${MAX_ROUNDS} writes, look for another program that changes it`,
  );
}
