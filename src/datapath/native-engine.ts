/**
 * The packet engine in C (native/engine): threads of its own, 64 KiB for each crossing into the kernel, no packet
 * ever seen by JavaScript. This is its control side: options and tables in, counters and events out.
 */
import { closeSync } from "node:fs";
import type { Logger } from "pino";
import { Ipv4Address } from "../net/ipv4.ts";
import type { Ipv6Address } from "../net/ipv6.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { errnoName } from "../addon/addon.ts";
import { ENGINE_EVENTS, EVENT_VALUES, loadEngineAddon } from "./engine-addon.ts";
import type { EngineAddon, EngineEvent, EngineHandle, NativeEngineOptions } from "./engine-addon.ts";
import { EMPTY_FORWARDING_TABLE, refuseMissingMacs } from "./forwarding-table.ts";
import type { ForwardingTable } from "./forwarding-table.ts";
import { maxInnerBytesOf, requireFraming } from "./framing.ts";
import { ipv6BytesOf } from "./ipv6-range.ts";
import { macBytesOf, writeNativeTable } from "./native-table.ts";
import { createCounterBlock, readCounterBlock } from "./packet-counters.ts";
import type { PacketCounters } from "./packet-counters.ts";
import type { PacketEngine, PacketEngineOptions, PeerCounters } from "./packet-engine.ts";
import { PEER_COUNTER, PEER_COUNTER_COUNT, peerCountersBy } from "./peer-counters.ts";
import { watchReadable } from "../addon/readable-watch.ts";
import type { ReadableWatch } from "../addon/readable-watch.ts";
import { requireIpv6Sender } from "./require-ipv6-sender.ts";
import { READ_DROPS_INTERVAL_MS } from "./underlay-socket.ts";

const SOURCE_CHECKS: readonly PacketEngineOptions["sourceCheck"][] = ["strict", "count", "off"];
const NO_MAC = new Uint8Array(6);
const NO_IPV6 = new Uint8Array(16);

/** Why the native engine cannot be used here, or null when it can. @param load where the addon comes from */
export function whyNoNativeEngine(load: () => EngineAddon = loadEngineAddon): OverlayError | null {
  try {
    load();
    return null;
  } catch (err) {
    if (err instanceof OverlayError) return err;
    throw err;
  }
}

/**
 * Opens the native engine. On rejection all descriptors are closed too. What it tried and found missing of the offloads
 * (UDP_SEGMENT, UDP_GRO) is one warning.
 * @param load where the addon comes from
 * @throws {OverlayError} `ERR_SOCKET_FAILED` when a descriptor is not fit for it, `ERR_ADDON_MISSING`
 * @throws {RangeError} when two options do not fit each other
 */
export async function openNativeEngine(
  options: PacketEngineOptions,
  load: () => EngineAddon = loadEngineAddon,
): Promise<PacketEngine> {
  const [addon, handle] = openInAddon(options, load);
  try {
    const engine = new NativeEngine(addon, handle, options);
    if (options.offload === "auto" && addon.engineHasBatches(handle) === 0) {
      options.log.warn("Cannot send several datagrams in one call on this kernel, sending one by one");
    }
    return engine;
  } catch (err) {
    await addon.engineClose(handle);
    throw err;
  }
}

class NativeEngine implements PacketEngine {
  readonly name = "native";
  readonly #addon: EngineAddon;
  readonly #handle: EngineHandle;
  readonly #options: PacketEngineOptions;
  readonly #events: ReadableWatch;
  readonly #dropsTimer: NodeJS.Timeout;
  #table = EMPTY_FORWARDING_TABLE;
  #closed: Promise<void> | null = null;

  constructor(addon: EngineAddon, handle: EngineHandle, options: PacketEngineOptions) {
    this.#addon = addon;
    this.#handle = handle;
    this.#options = options;
    this.#events = watchReadable(addon.engineEventFd(handle), () => {
      this.#report();
    });
    this.#dropsTimer = setInterval(() => this.readCounters(), READ_DROPS_INTERVAL_MS).unref();
  }

  replaceTable(table: ForwardingTable): void {
    if (this.#options.framing.kind === "vxlan") refuseMissingMacs(table);
    const status = this.#addon.engineReplaceTable(this.#handle, writeNativeTable(table.entries));
    if (status < 0) throw new Error(`Cannot replace the forwarding table: ${errnoName(status)}`);
    this.#table = table;
  }

  readCounters(): PacketCounters {
    const block = createCounterBlock();
    this.#addon.engineReadCounters(this.#handle, block);
    return readCounterBlock(block);
  }

  readPeerCounters(): readonly PeerCounters[] {
    const values = new Float64Array(this.#table.entries.length * PEER_COUNTER_COUNT);
    this.#addon.engineReadPeers(this.#handle, values);
    return this.#table.entries.map(({ subnet, underlayIp }, i) => {
      const ofPeer = values.subarray(i * PEER_COUNTER_COUNT);
      return { subnet, underlayIp, ...peerCountersBy((name) => ofPeer[PEER_COUNTER[name]] ?? 0) };
    });
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#shutDown());
  }

  async #shutDown(): Promise<void> {
    clearInterval(this.#dropsTimer);
    this.#report(); // what happened last is still worth a line
    this.#events.close();
    await this.#addon.engineClose(this.#handle);
  }

  #report(): void {
    const values = new Int32Array(ENGINE_EVENTS.length * EVENT_VALUES);
    this.#addon.engineTakeEvents(this.#handle, values);
    ENGINE_EVENTS.forEach((event, i) => {
      const [errno = 0, about = 0] = values.subarray(i * EVENT_VALUES);
      if (errno !== 0) logEvent(this.#options.log, event, errnoName(-errno), about >>> 0);
    });
  }
}

/** @param about underlay address of the peer, host order, where it is about one */
function logEvent(log: Logger, event: EngineEvent, errno: string, about: number): void {
  switch (event) {
    case "tunLost":
      log.error({ errno }, "Cannot read a queue of the TUN, its packets leave this host no more");
      return;
    case "batchRefused":
      log.warn(
        { errno, underlayIp: new Ipv4Address(about).toString() },
        "Cannot send several datagrams in one call to a peer, sending one by one",
      );
      return;
    case "runRefused":
      log.warn({ errno }, "Cannot write several packets to the TUN in one call, writing one by one");
      return;
    case "strangersAdmitted":
      log.warn({ errno }, "Cannot keep strangers out in the kernel, refusing their packets one by one");
      return;
  }
}

function openInAddon(options: PacketEngineOptions, load: () => EngineAddon): [EngineAddon, EngineHandle] {
  let handle: EngineHandle | number;
  let addon: EngineAddon;
  try {
    requireFraming(options.framing);
    requireIpv6Sender(options);
    addon = load();
    handle = addon.engineOpen(nativeOptions(options));
  } catch (err) {
    closeDescriptors(options);
    throw err;
  }
  if (typeof handle !== "number") return [addon, handle];
  throw new OverlayError("ERR_SOCKET_FAILED", `Cannot open the native packet engine: ${errnoName(handle)}`, {
    errno: errnoName(handle),
  });
}

function closeDescriptors({ tun, socketFd }: PacketEngineOptions): void {
  for (const fd of [...tun.fds, socketFd]) closeSync(fd);
}

function nativeOptions(options: PacketEngineOptions): NativeEngineOptions {
  const { tun, framing, ownSubnet, ownSubnet6 } = options;
  return {
    tunFds: Int32Array.from(tun.fds),
    socketFd: options.socketFd,
    peerPort: options.peerPort,
    hasVnetHeader: tun.hasVnetHeader,
    takesUdpRuns: tun.takesUdpRuns,
    batches: options.offload === "auto",
    spreadsFlows: options.sourcePort === "flow-hash",
    isVxlan: framing.kind === "vxlan",
    vni: framing.kind === "vxlan" ? framing.vni : 0,
    ownMac: framing.kind === "vxlan" ? macBytesOf(framing.ownMac) : NO_MAC,
    ownFirst: ownSubnet.address.value,
    ownLast: ownSubnet.last.value,
    hasIpv6: ownSubnet6 !== null,
    own6First: addressBytes(ownSubnet6?.address),
    own6Last: addressBytes(ownSubnet6?.last),
    sourceCheck: SOURCE_CHECKS.indexOf(options.sourceCheck),
    overlayMtu: options.overlayMtu,
    maxInnerBytes: maxInnerBytesOf(framing),
    tunAddress: options.tunAddress.value,
    tunAddress6: addressBytes(options.tunAddress6 ?? undefined),
  };
}

function addressBytes(address: Ipv6Address | undefined): Uint8Array {
  return address === undefined ? NO_IPV6 : ipv6BytesOf(address);
}
