/** Direct routing: the subnet of a peer that is on-link gets a route of its own, which wins over the one into the device. */
import { createBridgeCommand } from "../../kernel/bridge-command.ts";
import type { IpCommand } from "../../kernel/ip-command.ts";
import type { KernelObjects, ObjectKeeper } from "../../kernel/kernel-objects.ts";
import { createObjectKeeper } from "../../kernel/object-keeper.ts";
import { OnLinkWays } from "../../kernel/on-link-ways.ts";
import { isOverlayPrefix } from "../../kernel/overlay-range.ts";
import { gatewayRoute } from "../../kernel/routes.ts";
import type { Route } from "../../kernel/routes.ts";
import type { Ipv4Address, Ipv4Prefix } from "../../net/ipv4.ts";
import type { PeerSet } from "../../peers/peer.ts";
import type { TunnelParts } from "./tunnel.ts";

/** None yet, for a tunnel of these parts. */
export function createDirectRoutes(ip: IpCommand, { context, spec }: TunnelParts): DirectRoutes {
  const { network, log } = context;
  const isTunnels = (route: Route): boolean =>
    route.destination.equals(network) &&
    (route.kind === "blackhole" || route.interfaceName === spec.deviceName);
  const mayRemove = (route: Route): boolean =>
    routes.isCleaning && isOverlayPrefix(context, route.destination) && !isTunnels(route);
  const keeper = createObjectKeeper(
    { network, deviceName: null, mayRemove },
    { ip, bridge: createBridgeCommand(), log },
  );
  const ways = new OnLinkWays({
    ip,
    isEnabled: spec.isDirectRouting,
    accepts: (name) => name !== spec.deviceName, // what the kernel sends into the overlay is not reached directly
  });
  const routes = new DirectRoutes({ keeper, ways });
  return routes;
}

export interface DirectRoutesDeps {
  readonly keeper: ObjectKeeper;
  /** Switched off: no peer is reached directly, and what an earlier run made for some goes. */
  readonly ways: OnLinkWays;
}

/** Calls must not overlap. */
export class DirectRoutes {
  readonly #deps: DirectRoutesDeps;
  #peers: PeerSet = [];
  #routes: readonly Route[] = [];
  #isCleaning = false;

  constructor(deps: DirectRoutesDeps) {
    this.#deps = deps;
  }

  /** Subnets that have a route of their own. */
  get subnets(): readonly Ipv4Prefix[] {
    return this.#routes.map((route) => route.destination);
  }

  /** What an earlier run made and is not wanted goes: from the first audit on. */
  get isCleaning(): boolean {
    return this.#isCleaning;
  }

  /** Makes the routes for these peers. The kernel is asked for its way to those addresses alone that are new. */
  async sync(peers: PeerSet, signal: AbortSignal): Promise<void> {
    this.#peers = peers;
    await this.#deps.ways.learn(
      peers.map(({ underlayIp }) => underlayIp),
      signal,
    );
    await this.#apply(signal);
  }

  /**
   * Asks for the way to every peer again, and repairs the routes; resolves with the number of repairs. Comes after a
   * `sync`.
   */
  async audit(signal: AbortSignal): Promise<number> {
    this.#isCleaning = true;
    const moved = await this.#deps.ways.refresh(signal);
    if (moved.length > 0) await this.#apply(signal);
    const { repairs } = await this.#deps.keeper.audit(signal);
    return moved.length + repairs;
  }

  async #apply(signal: AbortSignal): Promise<void> {
    const { keeper, ways } = this.#deps;
    this.#routes = planDirectRoutes(this.#peers, (address) => ways.deviceOf(address));
    await keeper.sync(objectsOf(this.#routes), signal);
  }
}

/** A route for each peer whose underlay address is on-link, by the device that `deviceOf` names for it. */
export function planDirectRoutes(peers: PeerSet, deviceOf: (address: Ipv4Address) => string | null): Route[] {
  return peers.flatMap(({ subnet, underlayIp }) => {
    const deviceName = deviceOf(underlayIp);
    return deviceName === null ? [] : [gatewayRoute(subnet, underlayIp, deviceName)];
  });
}

function objectsOf(routes: readonly Route[]): KernelObjects {
  return { routes, neighbours: [], fdb: [] };
}
