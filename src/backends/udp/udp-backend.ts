/** flannel's udp backend: every packet crosses this process, one inner IPv4 packet for each UDP datagram. */
import { chooseEngine } from "../../datapath/choose-engine.ts";
import type { ChosenEngine, DatapathState } from "../../datapath/choose-engine.ts";
import { CounterSums } from "../../datapath/counter-sums.ts";
import { ForwardingTable } from "../../datapath/forwarding-table.ts";
import type { PeerCounters } from "../../datapath/packet-engine.ts";
import { createIpCommand } from "../../kernel/ip-command.ts";
import type { IpCommand } from "../../kernel/ip-command.ts";
import { readRoutesTo } from "../../kernel/routes.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import type { PeerSet } from "../../peers/peer.ts";
import type { BackendData } from "../../subnet-lease/lease.ts";
import type { Backend, BackendContext } from "../backend.ts";
import { DEVICE_NAME, findForeignRoute, planDevice, readDevice } from "./overlay-device.ts";
import { UDP_OVERHEAD_BYTES, probeTunnel, startTunnel, wantedDevice } from "./tunnel.ts";
import type { Tunnel, TunnelOptions } from "./tunnel.ts";
import { parseUdpOptions } from "./udp-options.ts";
import type { UdpOptions } from "./udp-options.ts";

/** Makes the udp backend. @throws {OverlayError} `ERR_CONFIG_INVALID`, `ERR_ADDON_MISSING` */
export async function createUdpBackend(context: BackendContext): Promise<Backend> {
  const options = parseUdpOptions(context.options);
  const chosen = await chooseEngine(context.datapath, context.log);
  return new UdpBackend(context, options, chosen, createIpCommand());
}

class UdpBackend implements Backend {
  readonly type = "udp";
  readonly overheadBytes = UDP_OVERHEAD_BYTES;
  readonly engineName: ChosenEngine["name"];
  readonly #context: BackendContext;
  readonly #options: UdpOptions;
  readonly #chosen: ChosenEngine;
  readonly #ip: IpCommand;
  /** Null until `open` and after `close`. */
  #tunnelOptions: TunnelOptions | null = null;
  /** Null also while the device is lost and could not be made again. */
  #tunnel: Tunnel | null = null;
  /** With what the tunnels counted that were lost since `open`. */
  #counters = new CounterSums();

  constructor(context: BackendContext, options: UdpOptions, chosen: ChosenEngine, ip: IpCommand) {
    this.#context = context;
    this.#options = options;
    this.#chosen = chosen;
    this.engineName = chosen.name;
    this.#ip = ip;
  }

  /**
   * The lease of a udp node names no backend: its address is all that peers need. A node that could not open
   * its tunnel must not lease: it would take the lease of the agent that runs here.
   * @throws {OverlayError} as `open` does
   */
  async advertise(signal: AbortSignal): Promise<BackendData> {
    await refuseForeignRoute(this.#ip, this.#context.network, signal);
    await probeTunnel(this.#ip, this.#tunnelParts(), signal);
    return { type: "" };
  }

  /** Makes what {@link startTunnel} does. @throws {OverlayError} also when the network is routed elsewhere */
  async open(ownSubnet: Ipv4Prefix, signal: AbortSignal): Promise<void> {
    if (this.#tunnelOptions !== null) throw new Error("Cannot open the udp backend: it is open");
    await refuseForeignRoute(this.#ip, this.#context.network, signal);
    const options = { ...this.#tunnelParts(), ownSubnet };
    this.#tunnel = await startTunnel(this.#ip, options, signal);
    this.#tunnelOptions = options;
    this.#counters = new CounterSums();
  }

  /** Also puts back what is missing of the device and its routes. Calls must not overlap. */
  async sync(peers: PeerSet, signal: AbortSignal): Promise<void> {
    const options = this.#tunnelOptions;
    if (options === null) throw new Error("Cannot sync the udp backend: it is not open");
    const table = new ForwardingTable({ ownSubnet: options.ownSubnet, entries: peers });
    this.#counters.keepPeers(peers);
    this.#tunnel?.engine.replaceTable(table);
    if (this.#tunnel !== null && (await this.#isRepaired(this.#tunnel, options, signal))) return;
    await this.#dropTunnel();
    this.#tunnel = await startTunnel(this.#ip, options, signal);
    this.#tunnel.engine.replaceTable(table);
  }

  readCounters(): Readonly<Record<string, number>> {
    return this.#counters.read(this.#tunnel?.engine ?? null);
  }

  readPeerCounters(): readonly PeerCounters[] {
    return this.#counters.readPeers(this.#tunnel?.engine ?? null);
  }

  readDatapath(): DatapathState | null {
    return this.#tunnel?.datapath ?? null;
  }

  async close(): Promise<void> {
    await this.#dropTunnel();
    this.#tunnelOptions = null;
  }

  #tunnelParts(): Omit<TunnelOptions, "ownSubnet"> {
    return { context: this.#context, chosen: this.#chosen, port: this.#options.port };
  }

  /** False when the device that the tunnel reads is no more. */
  async #isRepaired(tunnel: Tunnel, options: TunnelOptions, signal: AbortSignal): Promise<boolean> {
    const present = await readDevice(this.#ip, signal);
    if (present.link?.index !== tunnel.interfaceIndex) {
      this.#context.log.warn({ device: DEVICE_NAME }, "Overlay device was removed, making it again");
      return false;
    }
    const commands = planDevice(wantedDevice(options), present.link, present);
    if (commands.length > 0) {
      const repairs = commands.map((words) => words.join(" "));
      this.#context.log.warn({ device: DEVICE_NAME, repairs }, "Overlay device was changed, repairing it");
    }
    await this.#ip.apply(commands, signal);
    return true;
  }

  async #dropTunnel(): Promise<void> {
    const tunnel = this.#tunnel;
    if (tunnel === null) return;
    try {
      await tunnel.engine.close();
    } finally {
      // In one turn: who reads the counters meanwhile has them of the engine or of the sums, never of neither or both.
      this.#tunnel = null;
      this.#counters.add(tunnel.engine);
    }
  }
}

/**
 * A route to the very same prefix that somebody else made would have to go, and it is not ours to remove.
 * Asked at the start only: whoever takes the place of our route later has his replaced at the next `sync`.
 */
async function refuseForeignRoute(ip: IpCommand, network: Ipv4Prefix, signal: AbortSignal): Promise<void> {
  const foreign = findForeignRoute(await readRoutesTo(ip, network, signal));
  if (foreign === null) return;
  const where = foreign.interfaceName === null ? "" : ` by ${foreign.interfaceName}`;
  throw new OverlayError(
    "ERR_CONFIG_INVALID",
    `Cannot route overlay network ${network.toString()} to ${DEVICE_NAME}: this host has a route to it${where}, of protocol ${foreign.protocol}`,
    { network: network.toString() },
  );
}
