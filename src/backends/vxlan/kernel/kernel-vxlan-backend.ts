/** flannel's vxlan backend as flannel has it: the kernel's vxlan device carries the packets, and goes on without us. */
import { createBridgeCommand } from "../../../kernel/bridge-command.ts";
import type { BatchCommand } from "../../../kernel/ip-batch.ts";
import { createIpCommand } from "../../../kernel/ip-command.ts";
import { restoreSilence } from "../../../kernel/ipv6-silence.ts";
import type { KernelObjects, ObjectKeeper } from "../../../kernel/kernel-objects.ts";
import { createObjectKeeper } from "../../../kernel/object-keeper.ts";
import { OnLinkWays } from "../../../kernel/on-link-ways.ts";
import { isOverlayPrefix } from "../../../kernel/overlay-range.ts";
import type { Route } from "../../../kernel/routes.ts";
import { StaleDevices } from "../../../kernel/stale-devices.ts";
import type { Ipv4Prefix } from "../../../net/ipv4.ts";
import type { MacAddress } from "../../../net/mac.ts";
import type { Peer, PeerSet } from "../../../peers/peer.ts";
import type { BackendData } from "../../../subnet-lease/lease.ts";
import type { Backend, BackendContext } from "../../backend.ts";
import { deriveVtepMac, vtepData, vtepIdentityOf } from "../vtep.ts";
import { VXLAN_OVERHEAD_BYTES } from "../vxlan-options.ts";
import type { VxlanOptions } from "../vxlan-options.ts";
import { deviceShape, isCompatible } from "./device-plan.ts";
import type { DeviceShape, PresentDevice, WantedDevice } from "./device-plan.ts";
import { peerObjects } from "./peer-objects.ts";
import { ensureDevice, openDevice, probeDevice, readDevice } from "./vxlan-device.ts";
import type { DeviceDeps } from "./vxlan-device.ts";

/** Makes the backend. @throws {OverlayError} `ERR_CONFIG_INVALID` when no packet fits the MTU */
export function createKernelVxlanBackend(context: BackendContext, options: VxlanOptions): Backend {
  return new KernelVxlanBackend(context, options);
}

/** What is there from `open` to `close`. */
interface OpenState {
  readonly wanted: WantedDevice;
  readonly keeper: ObjectKeeper;
  readonly ways: OnLinkWays;
  deviceIndex: number;
  /** Of the last `sync`; null before the first, when what an earlier run left carries packets. */
  peers: PeerSet | null;
  readonly staleDevices: StaleDevices;
}

class KernelVxlanBackend implements Backend {
  readonly type = "vxlan";
  readonly overheadBytes = VXLAN_OVERHEAD_BYTES;
  readonly overlayMtu: number;
  readonly engineName = null;
  readonly carriesPackets = true;
  readonly deviceName: string;
  readonly encapsulationPort: number;
  readonly isDirectRouting: boolean;
  readonly #context: BackendContext;
  readonly #options: VxlanOptions;
  readonly #shape: DeviceShape;
  readonly #deps: DeviceDeps;
  /** What peers were told: the device gets it again whenever it is made. */
  #vtepMac: MacAddress | null = null;
  #state: OpenState | null = null;

  constructor(context: BackendContext, options: VxlanOptions) {
    this.#shape = deviceShape(context.underlay, options);
    this.overlayMtu = this.#shape.overlayMtu;
    this.deviceName = this.#shape.deviceName;
    this.encapsulationPort = options.port;
    this.isDirectRouting = options.isDirectRouting;
    this.#context = context;
    this.#options = options;
    this.#deps = { ip: createIpCommand(), log: context.log };
  }

  get deviceIndex(): number | null {
    return this.#state?.deviceIndex ?? null;
  }

  /**
   * Says the MAC of the device that stands, where it can be kept: peers know it. A node that could not make its device
   * must not lease, so that is tried.
   * @throws {OverlayError} as `open` does
   */
  async advertise(signal: AbortSignal): Promise<BackendData> {
    const present = await readDevice(this.#deps.ip, this.deviceName, signal);
    const vtepMac = this.#ownMac(present);
    await probeDevice(this.#deps, { shape: this.#shape, vtepMac, present }, signal);
    return vtepData(this.#options.vni, vtepMac);
  }

  identityOf(data: BackendData): string | null {
    return vtepIdentityOf(data);
  }

  /** @throws {OverlayError} `ERR_TUN_BUSY`, `ERR_KERNEL_FAILED`; then what was not there before is gone again */
  async open(ownSubnet: Ipv4Prefix, signal: AbortSignal): Promise<void> {
    if (this.#state !== null) throw new Error("Cannot open the vxlan backend: it is open");
    const vtepMac = this.#vtepMac ?? this.#ownMac(await readDevice(this.#deps.ip, this.deviceName, signal));
    const { network, formerNetwork, log } = this.#context;
    const wanted = { ...this.#shape, vtepMac, address: ownSubnet.address, network, formerNetwork };
    const { index, origin, changes } = await openDevice(this.#deps, wanted, signal);
    this.#state = this.#newState(wanted, index);
    log.info(
      { device: this.deviceName, origin, changes: textsOf(changes), vtepMac: vtepMac.toString() },
      "Kernel's vxlan device is ready",
    );
  }

  /** Makes a lost device again too: while a sync fails, no audit may come that would. */
  async sync(peers: PeerSet, signal: AbortSignal): Promise<void> {
    const state = this.#openState("sync");
    await state.ways.learn(
      peers.map(({ underlayIp }) => underlayIp),
      signal,
    );
    state.peers = peers;
    try {
      await state.keeper.sync(this.#wantedObjects(state, peers), signal);
    } catch (err) {
      signal.throwIfAborted();
      if ((await this.#auditDevice(state, signal)) === 0) throw err;
      await state.keeper.audit(signal);
    }
  }

  async audit(signal: AbortSignal): Promise<number> {
    const state = this.#openState("audit");
    const deviceRepairs = await this.#auditDevice(state, signal);
    if (state.peers === null) return deviceRepairs;
    const objectRepairs = await this.#auditObjects(state, state.peers, signal);
    return deviceRepairs + objectRepairs + (await state.staleDevices.remove(signal));
  }

  readDirectSubnets(): readonly Ipv4Prefix[] {
    const { ways, peers } = this.#state ?? { ways: null, peers: null };
    const isDirect = ({ underlayIp }: Peer): boolean => (ways?.deviceOf(underlayIp) ?? null) !== null;
    return (peers ?? []).filter(isDirect).map(({ subnet }) => subnet);
  }

  readCounters(): Readonly<Record<string, number>> {
    return {}; // the kernel counts neither by peer nor by reason; its sums are those of the device
  }

  readPeerCounters(): readonly [] {
    return [];
  }

  readDatapath(): null {
    return null;
  }

  /** Everything stays, and goes on forwarding. */
  close(): Promise<void> {
    this.#state = null;
    return Promise.resolve();
  }

  #openState(what: string): OpenState {
    if (this.#state !== null) return this.#state;
    throw new Error(`Cannot ${what} the vxlan backend: it is not open`);
  }

  #newState(wanted: WantedDevice, deviceIndex: number): OpenState {
    const { ip, log } = this.#deps;
    const { deviceName } = this;
    const keeper = createObjectKeeper(
      { network: this.#context.network, deviceName, mayRemove: (route) => this.#mayRemove(route) },
      { ip, bridge: createBridgeCommand(), log },
    );
    const ways = new OnLinkWays({
      ip,
      isEnabled: this.#options.isDirectRouting,
      accepts: (name) => name !== deviceName, // what the kernel sends into the overlay is not reached directly
    });
    const staleDevices = new StaleDevices(ip, { ...this.#context, deviceName }, log);
    return { wanted, keeper, ways, staleDevices, deviceIndex, peers: null };
  }

  /** The first answer stays: the MAC of a device that is kept, be it flannel's; else the one that follows from the node id. */
  #ownMac(present: PresentDevice | null): MacAddress {
    const kept = present !== null && isCompatible(this.#shape, present) ? present.mac : null;
    this.#vtepMac ??= kept ?? deriveVtepMac(this.#context.nodeId, this.#options.vni);
    return this.#vtepMac;
  }

  #wantedObjects({ ways }: OpenState, peers: PeerSet): KernelObjects {
    return peerObjects(peers, {
      network: this.#context.network,
      deviceName: this.deviceName,
      directDeviceOf: (peer) => ways.deviceOf(peer.underlayIp),
    });
  }

  /** Of the routes with our number those of this overlay, or of the one before, also into another backend's device. */
  #mayRemove({ destination, kind }: Route): boolean {
    return kind !== "other" && isOverlayPrefix(this.#context, destination);
  }

  /** Resolves with the number of repairs. */
  async #auditDevice(state: OpenState, signal: AbortSignal): Promise<number> {
    const { index, origin, changes } = await ensureDevice(this.#deps, state.wanted, signal);
    state.deviceIndex = index;
    if (changes.length > 0) {
      this.#context.log.warn(
        { device: this.deviceName, origin, repairs: textsOf(changes) },
        "Overlay device was not as it must be, repaired it",
      );
    }
    return changes.length + (await restoreSilence(this.deviceName));
  }

  /** Resolves with the number of repairs, and of peers that are reached another way now. */
  async #auditObjects(state: OpenState, peers: PeerSet, signal: AbortSignal): Promise<number> {
    const { log } = this.#context;
    const moved = (await state.ways.refresh(signal)).length;
    if (moved > 0) {
      log.info({ peers: moved }, "Peers are reached another way now, direct or encapsulated");
      await state.keeper.sync(this.#wantedObjects(state, peers), signal);
    }
    const { repairs } = await state.keeper.audit(signal);
    if (repairs > 0) {
      log.warn(
        { device: this.deviceName, repairs },
        "Routes, neighbour or FDB entries were changed, repaired them",
      );
    }
    return moved + repairs;
  }
}

function textsOf(commands: readonly BatchCommand[]): string[] {
  return commands.map((words) => words.join(" "));
}
