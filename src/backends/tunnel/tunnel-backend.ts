/** The backend of every way in which all packets cross this process: a TUN, a UDP socket and a packet engine. */
import { chooseEngine } from "../../datapath/choose-engine.ts";
import type { ChosenEngine, DatapathState } from "../../datapath/choose-engine.ts";
import { CounterSums } from "../../datapath/counter-sums.ts";
import { EMPTY_FORWARDING_TABLE, ForwardingTable } from "../../datapath/forwarding-table.ts";
import type { PeerCounters } from "../../datapath/packet-engine.ts";
import { createIpCommand } from "../../kernel/ip-command.ts";
import type { IpCommand } from "../../kernel/ip-command.ts";
import { readRoutesTo } from "../../kernel/routes.ts";
import { StaleDevices } from "../../kernel/stale-devices.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import type { PeerSet } from "../../peers/peer.ts";
import type { BackendData } from "../../subnet-lease/lease.ts";
import type { Backend, BackendContext } from "../backend.ts";
import { createDirectRoutes } from "./direct-routes.ts";
import type { DirectRoutes } from "./direct-routes.ts";
import { findForeignRoute, planDevice, readDevice } from "./overlay-device.ts";
import { probeTunnel, startTunnel, wantedDevice } from "./tunnel.ts";
import type { Tunnel, TunnelOptions, TunnelParts } from "./tunnel.ts";
import type { TunnelSpec } from "./tunnel-spec.ts";

/** Makes the backend that `spec` describes. @throws {OverlayError} `ERR_ADDON_MISSING` */
export async function createTunnelBackend(context: BackendContext, spec: TunnelSpec): Promise<Backend> {
  const chosen = await chooseEngine(context.datapath, context.log);
  const sourcePort = chosen.sourcePort ?? spec.sourcePort;
  return new TunnelBackend({ context, spec, chosen: { ...chosen, sourcePort } }, createIpCommand());
}

/** What is there from `open` to `close`. */
interface OpenState {
  readonly options: TunnelOptions;
  readonly directRoutes: DirectRoutes;
  /** Null while the device is lost and could not be made again. */
  tunnel: Tunnel | null;
  table: ForwardingTable;
  /** Peers were given. */
  hasSynced: boolean;
  readonly staleDevices: StaleDevices;
}

class TunnelBackend implements Backend {
  readonly type: string;
  readonly overheadBytes: number;
  readonly overlayMtu: number;
  readonly engineName: ChosenEngine["name"];
  readonly carriesPackets = true;
  readonly deviceName: string;
  readonly encapsulationPort: number;
  readonly isDirectRouting: boolean;
  readonly #parts: TunnelParts;
  readonly #ip: IpCommand;
  #state: OpenState | null = null;
  /** With what the tunnels counted that were lost since `open`. */
  #counters = new CounterSums();

  constructor(parts: TunnelParts, ip: IpCommand) {
    const { spec, chosen } = parts;
    this.type = spec.type;
    this.overheadBytes = spec.overheadBytes;
    this.overlayMtu = spec.overlayMtu;
    this.engineName = chosen.name;
    this.deviceName = spec.deviceName;
    this.encapsulationPort = spec.port;
    this.isDirectRouting = spec.isDirectRouting;
    this.#parts = parts;
    this.#ip = ip;
  }

  get deviceIndex(): number | null {
    return this.#state?.tunnel?.interfaceIndex ?? null;
  }

  /**
   * A node that could not open its tunnel must not lease: it would take the lease of the agent that runs here.
   * @throws {OverlayError} as `open` does
   */
  async advertise(signal: AbortSignal): Promise<BackendData> {
    await this.#refuseForeignRoute(signal);
    await probeTunnel(this.#ip, this.#parts, signal);
    return this.#parts.spec.leaseData;
  }

  identityOf(data: BackendData): string | null {
    return this.#parts.spec.identityOf(data);
  }

  /** Makes what {@link startTunnel} does. @throws {OverlayError} also when the network is routed elsewhere */
  async open(ownSubnet: Ipv4Prefix, signal: AbortSignal): Promise<void> {
    if (this.#state !== null) throw new Error(`Cannot open the ${this.type} backend: it is open`);
    await this.#refuseForeignRoute(signal);
    const options = { ...this.#parts, ownSubnet };
    const tunnel = await startTunnel(this.#ip, options, signal);
    const directRoutes = createDirectRoutes(this.#ip, this.#parts);
    const table = EMPTY_FORWARDING_TABLE;
    const { context } = options;
    const staleDevices = new StaleDevices(this.#ip, { ...context, deviceName: this.deviceName }, context.log);
    this.#state = { options, directRoutes, staleDevices, tunnel, table, hasSynced: false };
    this.#counters = new CounterSums();
  }

  /** Calls of this and of `audit` must not overlap. */
  async sync(peers: PeerSet, signal: AbortSignal): Promise<void> {
    const state = this.#openState("sync");
    const { spec, ownSubnet } = state.options;
    state.table = new ForwardingTable({ ownSubnet, entries: peers.map((peer) => spec.entryOf(peer)) });
    this.#counters.keepPeers(state.table.entries);
    state.tunnel?.engine.replaceTable(state.table);
    state.hasSynced = true;
    await this.#ensureTunnel(state, signal);
    await state.directRoutes.sync(peers, signal);
  }

  async audit(signal: AbortSignal): Promise<number> {
    const state = this.#openState("audit");
    const deviceRepairs = await this.#auditDevice(state, signal);
    if (!state.hasSynced) return deviceRepairs;
    const routeRepairs = await state.directRoutes.audit(signal);
    return deviceRepairs + routeRepairs + (await state.staleDevices.remove(signal));
  }

  readDirectSubnets(): readonly Ipv4Prefix[] {
    return this.#state?.directRoutes.subnets ?? [];
  }

  readCounters(): Readonly<Record<string, number>> {
    return this.#counters.read(this.#state?.tunnel?.engine ?? null);
  }

  readPeerCounters(): readonly PeerCounters[] {
    return this.#counters.readPeers(this.#state?.tunnel?.engine ?? null);
  }

  readDatapath(): DatapathState | null {
    return this.#state?.tunnel?.datapath ?? null;
  }

  async close(): Promise<void> {
    if (this.#state === null) return;
    await this.#dropTunnel(this.#state);
    this.#state = null;
  }

  #openState(what: string): OpenState {
    if (this.#state !== null) return this.#state;
    throw new Error(`Cannot ${what} the ${this.type} backend: it is not open`);
  }

  async #auditDevice(state: OpenState, signal: AbortSignal): Promise<number> {
    if (state.tunnel !== null) {
      const repairs = await this.#repairDevice(state.tunnel, state.options, signal);
      if (repairs !== null) return repairs;
      await this.#dropTunnel(state);
    }
    await this.#ensureTunnel(state, signal);
    return 1;
  }

  /** Resolves with the number of repairs; null when the device that the tunnel reads is no more. */
  async #repairDevice(tunnel: Tunnel, options: TunnelOptions, signal: AbortSignal): Promise<number | null> {
    const { deviceName } = this;
    const { log } = options.context;
    const present = await readDevice(this.#ip, deviceName, signal);
    if (present.link?.index !== tunnel.interfaceIndex) {
      log.warn({ device: deviceName }, "Overlay device was removed, making it again");
      return null;
    }
    const commands = planDevice(wantedDevice(options), present.link, present);
    if (commands.length > 0) {
      const repairs = commands.map((words) => words.join(" "));
      log.warn({ device: deviceName, repairs }, "Overlay device was changed, repairing it");
    }
    await this.#ip.apply(commands, signal);
    return commands.length;
  }

  /** Does nothing while there is one. */
  async #ensureTunnel(state: OpenState, signal: AbortSignal): Promise<void> {
    if (state.tunnel !== null) return;
    state.tunnel = await startTunnel(this.#ip, state.options, signal);
    state.tunnel.engine.replaceTable(state.table);
  }

  async #dropTunnel(state: OpenState): Promise<void> {
    const { tunnel } = state;
    if (tunnel === null) return;
    try {
      await tunnel.engine.close();
    } finally {
      // In one turn: who reads the counters meanwhile has them of the engine or of the sums, never of neither or both.
      state.tunnel = null;
      this.#counters.add(tunnel.engine);
    }
  }

  /**
   * A route to the very same prefix that somebody else made would have to go, and it is not ours to remove.
   * Asked at the start only: whoever takes the place of our route later has his replaced at the next audit.
   */
  async #refuseForeignRoute(signal: AbortSignal): Promise<void> {
    const { network } = this.#parts.context;
    const foreign = findForeignRoute(await readRoutesTo(this.#ip, network, signal), this.deviceName);
    if (foreign === null) return;
    const where = foreign.interfaceName === null ? "" : ` by ${foreign.interfaceName}`;
    throw new OverlayError(
      "ERR_CONFIG_INVALID",
      `Cannot route overlay network ${network.toString()} to ${this.deviceName}: this host has a route to it${where}, of protocol ${foreign.protocol}`,
      { network: network.toString() },
    );
  }
}
