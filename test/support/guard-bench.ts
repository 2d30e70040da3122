/**
 * A host for a guard, one of its peers, and somebody on the same link who holds no lease; each with a pod.
 *
 *   pod 10.244.N.2 -- [own, peer, stranger: 192.0.2.N] --[br0]-- router .254
 */
import type { GuardKeeper } from "../../src/kernel/firewall/guard-keeper.ts";
import type { GuardRules } from "../../src/kernel/firewall/guard-rules.ts";
import type { NftCommand } from "../../src/kernel/firewall/nft-command.ts";
import { BackendNetwork } from "./backend-hosts.ts";
import type { BackendHost } from "./backend-hosts.ts";
import { NO_ABORT, NamespacedNft, guarded, keeperOf, rulesOf } from "./guarded-hosts.ts";

/** Everything of one test. `await using` it. */
export class GuardBench implements AsyncDisposable {
  readonly network: BackendNetwork;
  readonly programs: NamespacedNft;
  readonly own: BackendHost;
  readonly peer: BackendHost;
  readonly stranger: BackendHost;
  /** Of the own host, as the guard uses it. */
  readonly nft: NftCommand;
  /** Of the own host; it has made nothing yet. */
  readonly guard: GuardKeeper;

  private constructor(network: BackendNetwork, programs: NamespacedNft, nft: NftCommand) {
    this.network = network;
    this.programs = programs;
    this.nft = nft;
    this.guard = keeperOf(nft);
    [this.own, this.peer, this.stranger] = [network.host(1), network.host(2), network.host(3)];
  }

  static async create(): Promise<GuardBench> {
    await using made = new AsyncDisposableStack();
    const programs = made.use(await NamespacedNft.create());
    const network = made.use(await BackendNetwork.create(3));
    const bench = new GuardBench(network, programs, await programs.in(network.host(1).namespace));
    made.move(); // from here on it is the test's
    return bench;
  }

  /** Makes the guard what `fields` say, on the own host; by default that of vxlan by the kernel, with one peer. */
  async guardOwn(fields: Partial<GuardRules> = {}): Promise<number> {
    return await this.guard.sync(rulesOf(this.own, [guarded(this.peer)], fields), NO_ABORT);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network[Symbol.asyncDispose]();
    await this.programs[Symbol.asyncDispose]();
  }
}
