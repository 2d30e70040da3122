import type { Ipv4Address } from "../../net/ipv4.ts";

/** What is said of the containers of one host. Names are as `parseDnsName` gives them, without the zone. */
export interface HostNames {
  /** Addresses by name: a container's own, a service's. */
  readonly addresses: ReadonlyMap<string, readonly Ipv4Address[]>;
  /** The name of the container that has an address, by the address's value: one of the names above that have it. */
  readonly owners: ReadonlyMap<number, string>;
}

/** Collects addresses under names, each once. */
export class NamesBuilder {
  readonly #addresses = new Map<string, Map<number, Ipv4Address>>();
  readonly #owners = new Map<number, string>();

  add(name: string, address: Ipv4Address): void {
    const addresses = this.#addresses.get(name) ?? new Map<number, Ipv4Address>();
    this.#addresses.set(name, addresses.set(address.value, address));
  }

  /** Adds a container's own name. Of two that claim one address the first has it. */
  addOwner(name: string, address: Ipv4Address): void {
    this.add(name, address);
    if (!this.#owners.has(address.value)) this.#owners.set(address.value, name);
  }

  /** Whether the name was added with this address. */
  has(name: string, address: Ipv4Address): boolean {
    return this.#addresses.get(name)?.has(address.value) === true;
  }

  /** Names and addresses in their order, so that the same containers always make the same text. */
  build(): HostNames {
    const names = [...this.#addresses.keys()].sort();
    const addresses = names.map((name) => {
      const held = [...(this.#addresses.get(name)?.values() ?? [])];
      return [name, held.sort((a, b) => a.value - b.value)] as const;
    });
    return { addresses: new Map(addresses), owners: new Map([...this.#owners].sort(([a], [b]) => a - b)) };
  }
}
