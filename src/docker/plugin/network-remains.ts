/**
 * What is left in the kernel of networks that nobody knows: their making failed, and so did their removal, because the host
 * hung. It would stand in the way of every other network. A next run of the plugin finds it by its mark.
 */
import type { HostLinks } from "./links/host-links.ts";
import type { PluginState } from "./state/plugin-state.ts";

export class NetworkRemains {
  readonly #links: HostLinks;
  /** As many ids as requests for a network have failed while the host hung. */
  readonly #networks = new Set<string>();

  constructor(links: HostLinks) {
    this.#links = links;
  }

  /** Deletes the bridge of a network that is not to be; what cannot be deleted now is kept in mind. */
  async removeNetwork(state: PluginState, networkId: string): Promise<void> {
    this.#networks.add(networkId);
    await this.remove(state).catch(() => undefined); // the next look tries again
  }

  /** Deletes what is left. @throws {OverlayError} `ERR_KERNEL_FAILED` when the kernel still refuses */
  async remove(state: PluginState): Promise<void> {
    for (const id of this.#networks) {
      await this.#links.removeNetwork(state, id);
      this.#networks.delete(id);
    }
  }
}
