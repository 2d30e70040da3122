/** flannel's alloc backend: a lease and a subnet file, and nothing that carries packets. */
import { createIpCommand } from "../../kernel/ip-command.ts";
import { readOwnRoutes, routeCommand } from "../../kernel/routes.ts";
import type { Route } from "../../kernel/routes.ts";
import { isOverlayPrefix } from "../../kernel/overlay-range.ts";
import { StaleDevices } from "../../kernel/stale-devices.ts";
import type { BackendData } from "../../subnet-lease/lease.ts";
import type { Backend, BackendContext } from "../backend.ts";

/** Makes the alloc backend; it has no options. */
export async function createAllocBackend(context: BackendContext): Promise<Backend> {
  return await Promise.resolve(new AllocBackend(context));
}

/** Makes nothing. What is left of a backend that ran before goes: it would take the packets that others now carry. */
class AllocBackend implements Backend {
  readonly type = "alloc";
  readonly overheadBytes = 0;
  readonly overlayMtu: number;
  readonly carriesPackets = false;
  readonly engineName = null;
  readonly deviceName = null;
  readonly deviceIndex = null;
  readonly encapsulationPort = null;
  readonly isDirectRouting = false;
  readonly #context: BackendContext;
  #leftovers: "wait for peers" | "may go" | "gone" = "wait for peers";

  constructor(context: BackendContext) {
    this.#context = context;
    this.overlayMtu = context.underlay.underlayMtu;
  }

  /** As flannel's: the lease does not tell it from udp's. */
  advertise(): Promise<BackendData> {
    return Promise.resolve({ type: "" });
  }

  identityOf(): string {
    return "";
  }

  open(): Promise<void> {
    this.#leftovers = "wait for peers";
    return Promise.resolve();
  }

  sync(): Promise<void> {
    if (this.#leftovers === "wait for peers") this.#leftovers = "may go";
    return Promise.resolve();
  }

  async audit(signal: AbortSignal): Promise<number> {
    if (this.#leftovers !== "may go") return 0;
    const repairs = await this.#removeLeftovers(signal);
    this.#leftovers = "gone";
    return repairs;
  }

  readDirectSubnets(): readonly [] {
    return [];
  }

  readCounters(): Readonly<Record<string, number>> {
    return {};
  }

  readPeerCounters(): readonly [] {
    return [];
  }

  readDatapath(): null {
    return null;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #removeLeftovers(signal: AbortSignal): Promise<number> {
    const context = this.#context;
    const ip = createIpCommand();
    const isLeft = ({ destination, kind }: Route): boolean =>
      kind !== "other" && isOverlayPrefix(context, destination);
    const routes = (await readOwnRoutes(ip, signal)).filter(isLeft);
    await ip.apply(
      routes.map((route) => routeCommand("del", route)),
      signal,
    );
    const devices = new StaleDevices(ip, { ...context, deviceName: null }, context.log);
    return routes.length + (await devices.remove(signal));
  }
}
