/** flannel's host-gw backend: the kernel carries packets as they are, with each peer as the gateway to its subnet. */
import { createBridgeCommand } from "../../kernel/bridge-command.ts";
import { createIpCommand } from "../../kernel/ip-command.ts";
import type { IpCommand } from "../../kernel/ip-command.ts";
import type { ObjectKeeper } from "../../kernel/kernel-objects.ts";
import { createObjectKeeper } from "../../kernel/object-keeper.ts";
import { blackholeRoute, gatewayRoute } from "../../kernel/routes.ts";
import { isOverlayPrefix } from "../../kernel/overlay-range.ts";
import type { Route } from "../../kernel/routes.ts";
import { StaleDevices } from "../../kernel/stale-devices.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import type { PeerSet } from "../../peers/peer.ts";
import type { BackendData } from "../../subnet-lease/lease.ts";
import type { Backend, BackendContext, Underlay } from "../backend.ts";
import { PeerLinks } from "./peer-links.ts";

/**
 * Makes the host-gw backend; it has no options.
 * @throws {OverlayError} `ERR_CONFIG_INVALID` behind NAT: what peers send to must be what is on the link
 */
export async function createHostgwBackend(context: BackendContext): Promise<Backend> {
  refuseNat(context.underlay);
  return await Promise.resolve(new HostgwBackend(context));
}

/**
 *   10.244.7.0/24 via 192.0.2.7 dev eth0        for each peer on the underlay's link
 *   blackhole 10.244.0.0/16 metric 4278198272
 */
class HostgwBackend implements Backend {
  readonly type = "host-gw";
  readonly overheadBytes = 0;
  readonly overlayMtu: number;
  readonly carriesPackets = true;
  readonly engineName = null;
  readonly deviceName = null;
  readonly deviceIndex = null;
  readonly encapsulationPort = null;
  readonly isDirectRouting = true;
  readonly #context: BackendContext;
  readonly #ip: IpCommand;
  readonly #links: PeerLinks;
  /** Null while not open. A new one at each `open`: what the last one made may be in use, and goes as any remains do. */
  #keeper: ObjectKeeper | null = null;
  /** Of the last `sync`; null before the first, when what an earlier run left still forwards. */
  #peers: PeerSet | null = null;
  #staleDevices: StaleDevices;

  constructor(context: BackendContext) {
    const { log, underlay } = context;
    this.#context = context;
    this.overlayMtu = underlay.underlayMtu;
    this.#ip = createIpCommand();
    this.#staleDevices = this.#newStaleDevices();
    this.#links = new PeerLinks({ ip: this.#ip, underlayInterface: underlay.interfaceName, log });
  }

  advertise(): Promise<BackendData> {
    return Promise.resolve({ type: this.type });
  }

  identityOf(): string {
    return ""; // all that peers need is the address
  }

  /**
   * Makes no route but the blackhole: packets to a subnet that no peer has are dropped, and never leave in clear by the
   * default route. The pods' own bridge, the peers' routes and what a person or a routing daemon made win over it, by a
   * longer prefix or a smaller metric.
   */
  async open(_ownSubnet: Ipv4Prefix, signal: AbortSignal): Promise<void> {
    if (this.#keeper !== null) throw new Error("Cannot open the host-gw backend: it is open");
    const { network, log } = this.#context;
    const keeper = createObjectKeeper(
      { network, deviceName: null, mayRemove: (route) => this.#mayRemove(route) },
      { ip: this.#ip, bridge: createBridgeCommand(), log },
    );
    await keeper.sync(this.#wanted(), signal);
    this.#keeper = keeper;
    this.#staleDevices = this.#newStaleDevices();
  }

  async sync(peers: PeerSet, signal: AbortSignal): Promise<void> {
    const keeper = this.#openKeeper();
    await this.#links.learn(peers, signal);
    this.#peers = peers;
    await keeper.sync(this.#wanted(), signal);
  }

  async audit(signal: AbortSignal): Promise<number> {
    const keeper = this.#openKeeper();
    const moved = await this.#links.refresh(this.#peers ?? [], signal);
    if (moved > 0) await keeper.sync(this.#wanted(), signal);
    const { repairs } = await keeper.audit(signal);
    if (repairs > 0) this.#context.log.warn({ repairs }, "Routes were changed, repaired them");
    const stale = this.#peers === null ? 0 : await this.#staleDevices.remove(signal);
    return moved + repairs + stale;
  }

  readDirectSubnets(): readonly Ipv4Prefix[] {
    return this.#links.onLink(this.#peers ?? []).map(({ subnet }) => subnet);
  }

  readCounters(): Readonly<Record<string, number>> {
    return {}; // the kernel counts by interface, not by route
  }

  readPeerCounters(): readonly [] {
    return [];
  }

  readDatapath(): null {
    return null;
  }

  close(): Promise<void> {
    this.#keeper = null;
    this.#peers = null;
    return Promise.resolve();
  }

  #openKeeper(): ObjectKeeper {
    if (this.#keeper !== null) return this.#keeper;
    throw new Error("Cannot use the host-gw backend: it is not open");
  }

  #wanted(): { routes: Route[]; neighbours: []; fdb: [] } {
    const { network, underlay } = this.#context;
    const peers = this.#links.onLink(this.#peers ?? []);
    const routes = peers.map(({ subnet, underlayIp }) =>
      gatewayRoute(subnet, underlayIp, underlay.interfaceName),
    );
    return { routes: [blackholeRoute(network), ...routes], neighbours: [], fdb: [] };
  }

  #newStaleDevices(): StaleDevices {
    return new StaleDevices(this.#ip, { ...this.#context, deviceName: null }, this.#context.log);
  }

  /**
   * Of the routes with our number those of this overlay, or of the one before, also into the device of another backend.
   * None before the first set of peers: the routes of an earlier run carry packets until then.
   */
  #mayRemove({ destination, kind }: Route): boolean {
    return this.#peers !== null && kind !== "other" && isOverlayPrefix(this.#context, destination);
  }
}

function refuseNat({ interfaceIp, publicIp, interfaceName }: Underlay): void {
  if (publicIp.equals(interfaceIp)) return;
  throw new OverlayError(
    "ERR_CONFIG_INVALID",
    `Cannot use the host-gw backend: peers would take ${publicIp.toString()} (--public-ip) for their gateway, and ` +
      `${interfaceName} has ${interfaceIp.toString()}; drop --public-ip, or use vxlan`,
    { publicIp: publicIp.toString(), interfaceIp: interfaceIp.toString() },
  );
}
