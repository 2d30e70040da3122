/**
 * What is left in the kernel of networks and endpoints that nobody knows any more: Docker has forgotten them, and the host hung
 * when their devices were to be deleted. A next run of the plugin finds them by their mark.
 */
import { OverlayError } from "../../net/overlay-error.ts";
import type { HostLinks } from "./links/host-links.ts";
import type { PluginState } from "./state/plugin-state.ts";

/** As many as requests have failed while the host hung. */
export class Remains {
  readonly #links: HostLinks;
  readonly #networkIds = new Set<string>();
  readonly #endpointIds = new Set<string>();

  constructor(links: HostLinks) {
    this.#links = links;
  }

  get isEmpty(): boolean {
    return this.#networkIds.size + this.#endpointIds.size === 0;
  }

  /** Deletes what there is of a network that is known no more; what cannot be deleted now is kept in mind. */
  async removeNetwork(state: PluginState, networkId: string): Promise<void> {
    const isGone = await hasSucceeded(this.#links.removeNetwork(state, networkId));
    if (!isGone) this.#networkIds.add(networkId);
  }

  /** The same for an endpoint. */
  async removeEndpoint(state: PluginState, endpointId: string): Promise<void> {
    const isGone = await hasSucceeded(this.#links.disconnect(state, [endpointId]));
    if (!isGone) this.#endpointIds.add(endpointId);
  }

  /**
   * Deletes what is left, unless Docker has made it again. All endpoints' at once: requests wait meanwhile.
   * @throws {OverlayError} `ERR_KERNEL_FAILED` when the kernel still refuses
   */
  async remove(state: PluginState): Promise<void> {
    const endpointIds = [...this.#endpointIds].filter((id) => !state.endpoints.has(id));
    if (endpointIds.length > 0) await this.#links.disconnect(state, endpointIds);
    this.#endpointIds.clear();
    for (const id of this.#networkIds) {
      if (!state.networks.has(id)) await this.#links.removeNetwork(state, id);
      this.#networkIds.delete(id);
    }
  }
}

/** False when the kernel has refused: the next look tries again, and the log has it then. */
async function hasSucceeded(removal: Promise<void>): Promise<boolean> {
  try {
    await removal;
    return true;
  } catch (err) {
    if (err instanceof OverlayError) return false;
    throw err;
  }
}
