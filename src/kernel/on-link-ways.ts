import type { Ipv4Address } from "../net/ipv4.ts";
import type { IpCommand } from "./ip-command.ts";
import { readOnLink } from "./on-link.ts";

export interface OnLinkWaysDeps {
  readonly ip: IpCommand;
  /** False: no address is on-link, and the kernel is not asked. */
  readonly isEnabled: boolean;
  /** Whether a way by this device counts. */
  accepts(deviceName: string): boolean;
}

/** What the kernel's routes said of some addresses when they were last asked. Calls must not overlap. */
export class OnLinkWays {
  readonly #deps: OnLinkWaysDeps;
  #addresses: readonly Ipv4Address[] = [];
  /** Device by which an address is on-link, or null, by `Ipv4Address.value`. */
  #devices: ReadonlyMap<number, string | null> = new Map();

  constructor(deps: OnLinkWaysDeps) {
    this.#deps = deps;
  }

  /** Knows these addresses from now on, and no others. Only those that are new are asked for. */
  async learn(addresses: readonly Ipv4Address[], signal: AbortSignal): Promise<void> {
    await this.#ask(addresses, this.#devices, signal);
  }

  /** Asks for every address again; resolves with those that are reached by another way now. */
  async refresh(signal: AbortSignal): Promise<Ipv4Address[]> {
    const before = this.#devices;
    await this.#ask(this.#addresses, new Map(), signal);
    return this.#addresses.filter(({ value }) => before.get(value) !== this.#devices.get(value));
  }

  /** Name of the device by which the address is on-link; null when it is not. */
  deviceOf({ value }: Ipv4Address): string | null {
    return this.#devices.get(value) ?? null;
  }

  async #ask(
    addresses: readonly Ipv4Address[],
    known: ReadonlyMap<number, string | null>,
    signal: AbortSignal,
  ): Promise<void> {
    const { ip, isEnabled } = this.#deps;
    if (isEnabled) {
      const unknown = addresses.filter(({ value }) => !known.has(value));
      const found = unknown.length === 0 ? new Map<number, string>() : await readOnLink(ip, unknown, signal);
      const wayTo = (value: number): string | null => known.get(value) ?? this.#accepted(found.get(value));
      this.#devices = new Map(addresses.map(({ value }) => [value, wayTo(value)]));
    }
    this.#addresses = addresses;
  }

  #accepted(deviceName: string | undefined): string | null {
    return deviceName !== undefined && this.#deps.accepts(deviceName) ? deviceName : null;
  }
}
