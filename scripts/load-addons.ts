/**
 * Loads both addons of a directory and uses them: an engine between a channel and a loopback socket drops a short
 * packet and counts it. scripts/build-matrix runs this on every Node.js that we support.
 */
import { closeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { NativeAddon } from "../src/addon/addon.ts";
import { loadAddonFrom } from "../src/addon/addon.ts";
import { loadEngineAddonFrom } from "../src/datapath/engine-addon.ts";
import { COUNTER, createCounterBlock } from "../src/datapath/packet-counters.ts";

const LOOPBACK = 0x7f000001;
const DEADLINE_MS = 5000;

const directory = process.argv[2];
if (directory === undefined) throw new Error("Cannot load the addons: give their directory");
const addon = loadAddonFrom(join(directory, "twill_tun.node")) as NativeAddon;
const engineAddon = loadEngineAddonFrom(join(directory, "twill_engine.node"));

const channel = new Int32Array(2);
check("open a channel", addon.packetPair(channel));
const [near = -1, far = -1] = channel;
const engine = engineAddon.engineOpen({
  tunFds: Int32Array.of(far),
  socketFd: check("open a socket", addon.udpSocketOpen(LOOPBACK, 0, 65536, 65536)),
  peerPort: 8285,
  hasVnetHeader: false,
  takesUdpRuns: false,
  batches: true,
  spreadsFlows: false,
  isVxlan: false,
  vni: 0,
  ownMac: new Uint8Array(6),
  ownFirst: 0x0af40100,
  ownLast: 0x0af401ff,
  hasIpv6: false,
  own6First: new Uint8Array(16),
  own6Last: new Uint8Array(16),
  sourceCheck: 0,
  overlayMtu: 1472,
  maxInnerBytes: 65507,
  tunAddress: 0x0af40100,
  tunAddress6: new Uint8Array(16),
});
if (typeof engine === "number") throw new Error(`Cannot open an engine: ${engine}`);

check("write a packet", addon.packetWrite(near, Buffer.from("short"), 0, 5));
const counters = createCounterBlock();
const deadline = Date.now() + DEADLINE_MS;
while (counters[COUNTER.encapDropShort] !== 1) {
  if (Date.now() > deadline) throw new Error("Cannot use the engine: a short packet is not counted");
  await sleep(1);
  check("read the counters", engineAddon.engineReadCounters(engine, counters));
}
await engineAddon.engineClose(engine);
closeSync(near);

function check(what: string, result: number): number {
  if (result < 0) throw new Error(`Cannot ${what}: ${result}`);
  return result;
}
