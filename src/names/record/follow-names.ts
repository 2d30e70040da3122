/**
 * Keeps the other hosts' names equal to what etcd holds: list, then watch from there. A disturbance of the watch leads to a
 * new list, never to an attempt to resume. While etcd is away the last names stay as they are.
 */
import type { Logger } from "pino";
import type { Clock } from "../../net/clock.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import { escapeUntrusted } from "../../net/untrusted-text.ts";
import { FailureLog } from "../../subnet-lease/failure-log.ts";
import type { Registry } from "../../subnet-lease/registry.ts";
import { keepTrying } from "../keep-trying.ts";
import type { NameTable } from "../name-table.ts";
import { namesPrefix, parseNamesKey, parseNamesRecord } from "./names-record.ts";

/** As many as leases are followed. */
export const MAX_HOSTS = 5_000;

export interface FollowNamesOptions {
  readonly registry: Registry;
  /** Of every key, as `/coreos.com/network`. */
  readonly prefix: string;
  /** The overlay network, which every host's subnet is a part of. */
  readonly network: Ipv4Prefix;
  /** Names in it are told by our engine alone. */
  readonly ownSubnet: Ipv4Prefix;
  readonly table: NameTable;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

/** Follows until the signal is aborted, then resolves. */
export async function followNames(options: FollowNamesOptions, signal: AbortSignal): Promise<void> {
  await new NamesFollower(options).run(signal);
}

class NamesFollower {
  readonly #options: FollowNamesOptions;
  readonly #rejections: FailureLog;

  constructor(options: FollowNamesOptions) {
    this.#options = options;
    this.#rejections = new FailureLog(options.clock);
  }

  async run(signal: AbortSignal): Promise<void> {
    const failed = "Lost contact with etcd, keeping the names as they are";
    const options = { ...this.#options, failed, recovered: "Back in step with etcd" };
    await keepTrying(options, (onSuccess) => this.#listAndWatch(onSuccess, signal), signal);
  }

  async #listAndWatch(onStanding: () => void, signal: AbortSignal): Promise<void> {
    const { registry, prefix, table, ownSubnet } = this.#options;
    const { entries, header } = await registry.list(namesPrefix(prefix), signal);
    const listed = entries.flatMap(({ key }) => this.#hostOf(key) ?? []);
    table.keepHosts([ownSubnet, ...listed]);
    for (const { key, value } of entries) this.#put(key, value);
    for await (const { events } of registry.watch(namesPrefix(prefix), header.revision + 1n, signal)) {
      onStanding();
      for (const event of events) {
        if (event.kind === "put") this.#put(event.entry.key, event.entry.value);
        else this.#delete(event.key);
      }
    }
  }

  #put(key: string, value: Uint8Array): void {
    const { table } = this.#options;
    const subnet = this.#hostOf(key);
    if (subnet === null) {
      this.#reject(key, "its key names no other host's subnet");
      return;
    }
    const record = parseNamesRecord(value, subnet);
    const isRoom = table.hosts < MAX_HOSTS || table.hasHost(subnet);
    if (!record.ok || !isRoom) {
      table.setHost(subnet, null); // what was there before is no longer said by anybody
      this.#reject(key, record.ok ? `there are ${MAX_HOSTS} hosts already` : record.reason);
      return;
    }
    table.setHost(subnet, record.names);
    if (record.leftOut !== null) this.#reject(key, `left out ${record.leftOut}`);
  }

  #delete(key: string): void {
    const subnet = this.#hostOf(key);
    if (subnet !== null) this.#options.table.setHost(subnet, null);
  }

  /** The subnet of another host that the key is for. A wider one than the network's, or one around ours, is a lie. */
  #hostOf(key: string): Ipv4Prefix | null {
    const { prefix, network, ownSubnet } = this.#options;
    const subnet = parseNamesKey(prefix, key);
    return subnet !== null && network.containsPrefix(subnet) && !subnet.overlaps(ownSubnet) ? subnet : null;
  }

  /** Our own record comes back to us, and is no news. */
  #reject(key: string, reason: string): void {
    const { prefix, ownSubnet, log } = this.#options;
    if (parseNamesKey(prefix, key)?.equals(ownSubnet) === true) return;
    if (this.#rejections.isNews(`${key} ${reason}`))
      log.warn({ key: escapeUntrusted(key), reason }, "Names of a host rejected");
  }
}
