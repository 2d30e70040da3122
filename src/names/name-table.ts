/** Every name that is known, of all hosts: what the DNS server answers from. */
import type { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";
import type { HostNames } from "./record/host-names.ts";

/** What is known of one name. Null: nothing; no addresses: there are names below it only. */
export type KnownAddresses = readonly Ipv4Address[] | null;

/** Addresses by name, and names by address. A host's names are replaced as a whole. */
export class NameTable {
  readonly #hosts = new Map<string, HostNames>();
  readonly #addresses = new ByHost<string, readonly Ipv4Address[]>();
  /** By the value of an address. */
  readonly #owners = new ByHost<number, string>();
  /** How many names are at or below each name: one above others exists, though it has no address. */
  readonly #counts = new Map<string, number>();

  /** Makes these the names of the host that has `subnet`; null: it has none any more. */
  setHost(subnet: Ipv4Prefix, names: HostNames | null): void {
    const host = subnet.toString();
    this.#forget(host);
    if (names === null) return;
    this.#hosts.set(host, names);
    for (const [name, addresses] of names.addresses) {
      this.#addresses.set(name, host, addresses);
      this.#count(name, 1);
    }
    for (const [address, owner] of names.owners) this.#owners.set(address, host, owner);
  }

  /** Takes away every host but these. */
  keepHosts(subnets: readonly Ipv4Prefix[]): void {
    const kept = new Set(subnets.map((subnet) => subnet.toString()));
    for (const host of this.#hosts.keys()) if (!kept.has(host)) this.#forget(host);
  }

  hasHost(subnet: Ipv4Prefix): boolean {
    return this.#hosts.has(subnet.toString());
  }

  /** How many hosts have names here. */
  get hosts(): number {
    return this.#hosts.size;
  }

  /** Addresses of a name in lower case, of all hosts that have it. */
  find(name: string): KnownAddresses {
    if (!this.#counts.has(name)) return null;
    return this.#addresses.get(name).flat();
  }

  /** Name of the container that has the address. Two hosts have none in common; should both claim it, the first is believed. */
  findOwner(address: Ipv4Address): string | null {
    return this.#owners.get(address.value)[0] ?? null;
  }

  #forget(host: string): void {
    const names = this.#hosts.get(host);
    if (names === undefined) return;
    this.#hosts.delete(host);
    for (const name of names.addresses.keys()) {
      this.#addresses.delete(name, host);
      this.#count(name, -1);
    }
    for (const address of names.owners.keys()) this.#owners.delete(address, host);
  }

  #count(name: string, change: 1 | -1): void {
    for (const node of withParents(name)) {
      const count = (this.#counts.get(node) ?? 0) + change;
      if (count > 0) this.#counts.set(node, count);
      else this.#counts.delete(node);
    }
  }
}

/** What each host says of a key. */
class ByHost<Key, Value> {
  readonly #values = new Map<Key, Map<string, Value>>();

  set(key: Key, host: string, value: Value): void {
    const byHost = this.#values.get(key) ?? new Map<string, Value>();
    this.#values.set(key, byHost.set(host, value));
  }

  delete(key: Key, host: string): void {
    const byHost = this.#values.get(key);
    byHost?.delete(host);
    if (byHost?.size === 0) this.#values.delete(key);
  }

  /** Of every host, the one that said it first at the front. */
  get(key: Key): Value[] {
    return [...(this.#values.get(key)?.values() ?? [])];
  }
}

/** The name, and those it lies below: `a.b.c`, `b.c`, `c`. */
function withParents(name: string): string[] {
  const labels = name.split(".");
  return labels.map((_, i) => labels.slice(i).join("."));
}
