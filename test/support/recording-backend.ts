import type { Backend } from "../../src/backends/backend.ts";
import type { DatapathState } from "../../src/datapath/choose-engine.ts";
import type { PeerCounters } from "../../src/datapath/packet-engine.ts";
import type { Ipv4Prefix } from "../../src/net/ipv4.ts";
import type { PeerSet } from "../../src/peers/peer.ts";
import type { BackendData } from "../../src/subnet-lease/lease.ts";

/** Stands where the kernel is: writes down what it is told, and fails when it is told to. */
export class RecordingBackend implements Backend {
  readonly type = "recording";
  readonly overheadBytes = 28;
  readonly overlayMtu = 1472;
  readonly carriesPackets = true;
  readonly engineName = null;
  readonly deviceName = null;
  readonly deviceIndex = null;
  readonly encapsulationPort = null;
  readonly isDirectRouting = false;
  readonly calls: string[] = [];
  peerCounters: readonly PeerCounters[] = [];
  datapath: DatapathState | null = null;
  failure: Error | null = null;
  /** What an audit finds. */
  repairs = 0;
  /** While set, every sync waits for it. */
  gate: Promise<void> | null = null;
  running = 0;
  mostRunning = 0;

  advertise(): Promise<BackendData> {
    return Promise.resolve({ type: "" });
  }

  open(ownSubnet: Ipv4Prefix): Promise<void> {
    return this.#call(`open ${ownSubnet.toString()}`);
  }

  sync(peers: PeerSet): Promise<void> {
    return this.#call(`sync ${peers.map((one) => one.subnet.toString()).join(" ")}`);
  }

  identityOf(): string {
    return "";
  }

  /** Resolves with {@link repairs}. */
  async audit(): Promise<number> {
    await this.#call("audit");
    return this.repairs;
  }

  readDirectSubnets(): readonly Ipv4Prefix[] {
    return [];
  }

  readCounters(): Readonly<Record<string, number>> {
    return {};
  }

  readPeerCounters(): readonly PeerCounters[] {
    return this.peerCounters;
  }

  readDatapath(): DatapathState | null {
    return this.datapath;
  }

  close(): Promise<void> {
    this.calls.push("close");
    return Promise.resolve();
  }

  async #call(name: string): Promise<void> {
    this.mostRunning = Math.max(this.mostRunning, ++this.running);
    this.calls.push(name);
    await this.gate;
    this.running--;
    if (this.failure !== null) throw this.failure;
  }
}
