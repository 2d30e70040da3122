/**
 * What is left in the kernel of networks and endpoints that nobody knows any more: Docker has forgotten them, and the host hung
 * when their devices were to be deleted. A next run of the plugin finds them by their mark.
 */
import { OverlayError } from "../../net/overlay-error.ts";
import type { HostLinks } from "./links/host-links.ts";
import type { PluginState } from "./state/plugin-state.ts";

export class Remains {
  readonly #links: HostLinks;
  /** What deletes the devices, by the id of a network or an endpoint. As many as requests have failed while the host hung. */
  readonly #removals = new Map<string, (state: PluginState) => Promise<void>>();

  constructor(links: HostLinks) {
    this.#links = links;
  }

  get isEmpty(): boolean {
    return this.#removals.size === 0;
  }

  /** Deletes what there is of a network that is known no more; what cannot be deleted now is kept in mind. */
  async removeNetwork(state: PluginState, networkId: string): Promise<void> {
    await this.#try(state, networkId, (now) => this.#links.removeNetwork(now, networkId));
  }

  /** The same for an endpoint. */
  async removeEndpoint(state: PluginState, endpointId: string): Promise<void> {
    await this.#try(state, endpointId, (now) => this.#links.disconnect(now, [endpointId]));
  }

  /** Deletes what is left. @throws {OverlayError} `ERR_KERNEL_FAILED` when the kernel still refuses */
  async remove(state: PluginState): Promise<void> {
    for (const [id, removal] of this.#removals) {
      await removal(state);
      this.#removals.delete(id);
    }
  }

  async #try(state: PluginState, id: string, removal: (state: PluginState) => Promise<void>): Promise<void> {
    try {
      await removal(state);
    } catch (err) {
      if (!(err instanceof OverlayError)) throw err;
      this.#removals.set(id, removal); // the next look tries again, and the log has it then
    }
  }
}
