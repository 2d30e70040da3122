/** Every name that is known, of all hosts: what the DNS server answers from. */
import type { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";
import type { HostNames } from "./record/host-names.ts";

/** What is known of one name. Null: nothing; no addresses: there are names below it only. */
export type KnownAddresses = readonly Ipv4Address[] | null;

/** Addresses by name. A host's names are replaced as a whole. */
export class NameTable {
  readonly #hosts = new Map<string, HostNames>();
  /** By name, then by host. */
  readonly #addresses = new Map<string, Map<string, readonly Ipv4Address[]>>();
  /** How many names are at or below each name: one above others exists, though it has no address. */
  readonly #counts = new Map<string, number>();

  /** Makes these the names of the host that has `subnet`; null: it has none any more. */
  setHost(subnet: Ipv4Prefix, names: HostNames | null): void {
    const host = subnet.toString();
    for (const name of this.#hosts.get(host)?.keys() ?? []) this.#remove(host, name);
    this.#hosts.delete(host);
    if (names === null) return;
    this.#hosts.set(host, names);
    for (const [name, addresses] of names) this.#add(host, name, addresses);
  }

  /** Takes away every host but these. */
  keepHosts(subnets: readonly Ipv4Prefix[]): void {
    const kept = new Set(subnets.map((subnet) => subnet.toString()));
    for (const [host, names] of this.#hosts) {
      if (kept.has(host)) continue;
      for (const name of names.keys()) this.#remove(host, name);
      this.#hosts.delete(host);
    }
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
    return [...(this.#addresses.get(name)?.values() ?? [])].flat();
  }

  #add(host: string, name: string, addresses: readonly Ipv4Address[]): void {
    const byHost = this.#addresses.get(name) ?? new Map<string, readonly Ipv4Address[]>();
    this.#addresses.set(name, byHost.set(host, addresses));
    for (const node of withParents(name)) this.#counts.set(node, (this.#counts.get(node) ?? 0) + 1);
  }

  #remove(host: string, name: string): void {
    const byHost = this.#addresses.get(name);
    byHost?.delete(host);
    if (byHost?.size === 0) this.#addresses.delete(name);
    for (const node of withParents(name)) {
      const count = (this.#counts.get(node) ?? 0) - 1;
      if (count > 0) this.#counts.set(node, count);
      else this.#counts.delete(node);
    }
  }
}

/** The name, and those it lies below: `a.b.c`, `b.c`, `c`. */
function withParents(name: string): string[] {
  const labels = name.split(".");
  return labels.map((_, i) => labels.slice(i).join("."));
}
