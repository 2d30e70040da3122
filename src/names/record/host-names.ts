import type { Ipv4Address } from "../../net/ipv4.ts";

/** Addresses by name, of the containers of one host. Names are as `parseDnsName` gives them, without the zone. */
export type HostNames = ReadonlyMap<string, readonly Ipv4Address[]>;

/** Collects addresses under names, each once. */
export class NamesBuilder {
  readonly #addresses = new Map<string, Map<number, Ipv4Address>>();

  add(name: string, address: Ipv4Address): void {
    const addresses = this.#addresses.get(name) ?? new Map<number, Ipv4Address>();
    this.#addresses.set(name, addresses.set(address.value, address));
  }

  /** Names and addresses in their order, so that the same containers always make the same text. */
  build(): HostNames {
    const names = [...this.#addresses.keys()].sort();
    return new Map(
      names.map((name) => {
        const addresses = [...(this.#addresses.get(name)?.values() ?? [])];
        return [name, addresses.sort((a, b) => a.value - b.value)];
      }),
    );
  }
}
