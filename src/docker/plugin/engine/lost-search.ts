/** Looks now and then for what Docker no longer knows, and frees what was missing twice. */
import type { Logger } from "pino";
import type { PluginState } from "../state/plugin-state.ts";
import { askEngine } from "./ask-engine.ts";
import { NOTHING_LOST, findLost, inBoth, inParts, isEmpty } from "./lost-items.ts";
import type { LostItems } from "./lost-items.ts";

/** Far above the time that Docker takes from an address to the endpoint that has it, with all its repeats: 60 s. */
export const LOOK_EVERY_MS = 5 * 60_000;
/** Requests wait for them: some 50 ms. */
const ENDPOINTS_AT_ONCE = 50;

export interface LostSearchDeps {
  readonly socketPath: string;
  readonly readState: () => PluginState;
  /** Requests are answered between two calls. */
  readonly free: (lost: LostItems) => Promise<void>;
  readonly log: Logger;
}

export class LostSearch {
  readonly #deps: LostSearchDeps;
  #before: LostItems = NOTHING_LOST;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(deps: LostSearchDeps) {
    this.#deps = deps;
  }

  /** Looks from now on, until `close`. */
  start(): void {
    const look = (): void =>
      void this.look().catch((err: unknown) => this.#deps.log.error({ err }, "Cannot free what Docker lost"));
    this.#timer = setInterval(look, LOOK_EVERY_MS).unref();
    look();
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** One look; frees what was missing in the look before too. */
  async look(): Promise<void> {
    const { readState, socketPath } = this.#deps;
    const found: LostItems[] = [];
    for (const id of readState().networks.keys()) {
      const engine = await askEngine(socketPath, id);
      const network = readState().networks.get(id);
      if (engine !== null && network !== undefined) found.push(findLost(readState(), network, engine));
    }
    const lost = {
      endpointIds: found.flatMap(({ endpointIds }) => endpointIds),
      addresses: found.flatMap(({ addresses }) => addresses),
    };
    const twice = inBoth(lost, this.#before);
    this.#before = lost;
    if (!isEmpty(twice)) await this.#free(twice);
  }

  /** What is left when one part cannot be freed, or at the end, is found again later. */
  async #free(lost: LostItems): Promise<void> {
    for (const part of inParts(lost, ENDPOINTS_AT_ONCE)) {
      if (this.#isClosed) return;
      await this.#deps.free(part);
    }
    const facts = { endpoints: lost.endpointIds.length, addresses: lost.addresses.length };
    this.#deps.log.info(facts, "Endpoints and addresses that Docker no longer knows freed");
  }
}
