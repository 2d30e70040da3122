/** Containers that come and go while the Docker plugin is killed at another answer each time, and what Docker then believes. */
import type { PluginHost } from "./docker-plugin.ts";
import { newId } from "./libnetwork.ts";
import type { DockerNetwork } from "./libnetwork.ts";

/** Two containers at once get three answers each: an address, an endpoint, a device. */
export const MAX_ANSWERS = 6;
/** Containers that go on from round to round; older ones are stopped. */
const MAX_STANDING = 6;

export class KillRounds {
  given = 0;
  unanswered = 0;
  /** Addresses that another container had before, and had given back. */
  givenAgain = 0;
  /** Addresses that another container had at that moment. */
  readonly givenTwice: string[] = [];
  /** Ids of endpoints, in the order they came. */
  readonly standing = new Set<string>();
  readonly #plugin: PluginHost;
  readonly #network: DockerNetwork;
  /** What Docker was told and has not given back, by endpoint. */
  readonly #addresses = new Map<string, string>();
  readonly #everGiven = new Set<string>();

  constructor(plugin: PluginHost, network: DockerNetwork) {
    this.#plugin = plugin;
    this.#network = network;
  }

  /** Starts two containers, kills the plugin at this many answers, starts it again, and rolls back as Docker does. */
  async run(answersBeforeKill: number): Promise<void> {
    let answers = 0;
    const heard = Promise.withResolvers<undefined>();
    const onAnswer = (): void => {
      if (++answers >= answersBeforeKill) heard.resolve(undefined);
    };
    if (answersBeforeKill === 0) heard.resolve(undefined);
    const ids = [newId(), newId()];
    const ends = Promise.allSettled(ids.map((id) => this.#startContainer(id, onAnswer)));
    await Promise.race([heard.promise, ends]); // refusals are no answers
    await this.#plugin.end("SIGKILL");
    const results = await ends;
    await this.#plugin.start();
    for (const [i, id] of ids.entries()) {
      if (results[i]?.status === "fulfilled") this.standing.add(id);
      else await this.#stopContainer(id);
    }
    for (const id of [...this.standing].slice(0, -MAX_STANDING)) await this.#stopContainer(id);
  }

  async #startContainer(endpointId: string, onAnswer: () => void): Promise<void> {
    const address = await this.#network.requestAddress().catch((err: unknown) => {
      this.unanswered++;
      throw err;
    });
    this.#note(address);
    this.#addresses.set(endpointId, address);
    onAnswer();
    await this.#network.createEndpoint(address, endpointId);
    onAnswer();
    await this.#network.join(endpointId);
    onAnswer();
  }

  #note(address: string): void {
    this.given++;
    if ([...this.#addresses.values()].includes(address)) this.givenTwice.push(address);
    else if (this.#everGiven.has(address)) this.givenAgain++;
    this.#everGiven.add(address);
  }

  async #stopContainer(endpointId: string): Promise<void> {
    this.standing.delete(endpointId);
    await this.#plugin.ask("NetworkDriver.DeleteEndpoint", {
      NetworkID: this.#network.id,
      EndpointID: endpointId,
    });
    const address = this.#addresses.get(endpointId);
    this.#addresses.delete(endpointId);
    if (address !== undefined) await this.#network.releaseAddress(address);
  }
}
