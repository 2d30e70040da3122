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

export interface AliasReaderOptions {
  readonly dockerSocket: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export class AliasReader {
  readonly #options: AliasReaderOptions;
  readonly #failures: FailureLog;
  #known = new Map<string, readonly string[]>();

  constructor(options: AliasReaderOptions) {
    this.#options = options;
    this.#failures = new FailureLog(options.clock);
  }

  /**
   * The aliases of these containers' endpoints. A container that Docker does not answer for is without: it keeps the others
   * from nothing, and is asked for again at the next call. Rejects with the signal's reason when it is aborted.
   */
  async read(containers: readonly RunningContainer[], signal: AbortSignal): Promise<EndpointAliases> {
    const present = new Set(containers.flatMap(({ endpoints }) => endpoints.map(({ id }) => id)));
    this.#known = new Map([...this.#known].filter(([id]) => present.has(id)));
    const unknown = containers
      .filter(({ endpoints }) => endpoints.some(({ id }) => !this.#known.has(id)))
      .values(); // shared by all who ask
    const ask = async (): Promise<void> => {
      for (const container of unknown) await this.#ask(container, signal);
    };
    await Promise.all(Array.from({ length: MAX_QUESTIONS_AT_ONCE }, ask));
    return this.#known;
  }

  async #ask({ id }: RunningContainer, signal: AbortSignal): Promise<void> {
    const { dockerSocket, log } = this.#options;
    try {
      const text = await inspectContainer(dockerSocket, id, signal);
      if (text === null) return; // gone: an event tells so too
      for (const [endpoint, aliases] of parseAliases(text)) this.#known.set(endpoint, aliases);
    } catch (err) {
      if (!(err instanceof OverlayError)) throw err;
      if (this.#failures.isNews(err.message))
        log.warn(
          { err, ...err.fields, container: id },
          "Cannot learn a container's network aliases, will retry",
        );
    }
  }
}
