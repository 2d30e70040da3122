/**
 * Keeps the aliases of the containers in sight. Docker's list has none (they are null there), so each container is asked
 * for alone: once for each start, since an endpoint keeps the aliases that it was made with.
 */
import type { Logger } from "pino";
import type { Clock } from "../../net/clock.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { FailureLog } from "../../subnet-lease/failure-log.ts";
import type { RunningContainer } from "./container-list.ts";
import { inspectContainer } from "./docker-api.ts";
import { parseAliases } from "./endpoint-aliases.ts";
import type { EndpointAliases } from "./endpoint-aliases.ts";

/** An engine with hundreds of containers is asked for all of them when this process starts. */
const MAX_QUESTIONS_AT_ONCE = 8;
/** No container is asked for later than that in one call: whoever is left has its turn in the next one. */
const ASK_FOR_MS = 500;

export interface AliasReaderOptions {
  readonly dockerSocket: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export class AliasReader {
  readonly #options: AliasReaderOptions;
  readonly #failures: FailureLog;
  #known = new Map<string, readonly string[]>();
  /** When containers were asked for in vain, by their ids. */
  #askedInVainMs = new Map<string, number>();

  constructor(options: AliasReaderOptions) {
    this.#options = options;
    this.#failures = new FailureLog(options.clock);
  }

  /** The aliases of every endpoint that was learnt of. */
  get known(): EndpointAliases {
    return this.#known;
  }

  /**
   * Learns the aliases of these containers' endpoints, and forgets those of others; true when there are more than before.
   * It takes no longer than {@link ASK_FOR_MS} and one answer, however many Docker does not answer for: who is left is asked
   * for at the next calls. Rejects with the signal's reason when it is aborted.
   */
  async learn(containers: readonly RunningContainer[], signal: AbortSignal): Promise<boolean> {
    const { clock, log } = this.#options;
    this.#keepOnly(containers);
    const knownBefore = this.#known.size;
    const unknown = this.#unknownOf(containers).values(); // shared by all who ask
    const endMs = clock.nowMs() + ASK_FOR_MS;
    const ask = async (): Promise<void> => {
      for (const container of unknown) {
        await this.#ask(container, signal);
        if (clock.nowMs() >= endMs) return;
      }
    };
    await Promise.all(Array.from({ length: MAX_QUESTIONS_AT_ONCE }, ask));
    if (this.#askedInVainMs.size === 0 && this.#failures.clear())
      log.info("Docker answers for every container again");
    return this.#known.size > knownBefore;
  }

  #keepOnly(containers: readonly RunningContainer[]): void {
    const ids = new Set(containers.map(({ id }) => id));
    const endpointIds = new Set(containers.flatMap(({ endpoints }) => endpoints.map(({ id }) => id)));
    this.#askedInVainMs = new Map([...this.#askedInVainMs].filter(([id]) => ids.has(id)));
    this.#known = new Map([...this.#known].filter(([id]) => endpointIds.has(id)));
  }

  /** Whom Docker did not answer for comes last, the longest ago first: it keeps nobody from a turn. */
  #unknownOf(containers: readonly RunningContainer[]): RunningContainer[] {
    const lastAskedMs = ({ id }: RunningContainer): number => this.#askedInVainMs.get(id) ?? 0;
    return containers
      .filter(({ endpoints }) => endpoints.some(({ id }) => !this.#known.has(id)))
      .sort((a, b) => lastAskedMs(a) - lastAskedMs(b));
  }

  async #ask({ id }: RunningContainer, signal: AbortSignal): Promise<void> {
    const { dockerSocket, clock, log } = this.#options;
    try {
      const text = await inspectContainer(dockerSocket, id, signal);
      const learnt = text === null ? [] : parseAliases(text); // null: it is gone, an event tells so too
      for (const [endpoint, aliases] of learnt) this.#known.set(endpoint, aliases);
      this.#askedInVainMs.delete(id);
    } catch (err) {
      if (!(err instanceof OverlayError)) throw err;
      this.#askedInVainMs.set(id, clock.nowMs());
      if (this.#failures.isNews(`${id} ${err.message}`))
        log.warn(
          { err, ...err.fields, container: id },
          "Cannot learn a container's network aliases, will retry",
        );
    }
  }
}
