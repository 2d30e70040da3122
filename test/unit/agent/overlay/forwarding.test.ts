import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Forwarding, RESYNC_EVERY_MS } from "../../../../src/agent/overlay/forwarding.ts";
import type { ForwardingOutcome } from "../../../../src/agent/overlay/forwarding.ts";
import { Ipv4Address, Ipv4Prefix } from "../../../../src/net/ipv4.ts";
import { OverlayError } from "../../../../src/net/overlay-error.ts";
import type { Peer } from "../../../../src/peers/peer.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { recordLog } from "../../../support/log-lines.ts";
import { RecordingBackend } from "../../../support/recording-backend.ts";

const SUBNET_A = new Ipv4Prefix(new Ipv4Address(0x0af40100), 24);
const SUBNET_B = new Ipv4Prefix(new Ipv4Address(0x0af40200), 24);

function peer(third: number): Peer {
  return {
    subnet: new Ipv4Prefix(new Ipv4Address(0x0af40000 + third * 256), 24),
    underlayIp: new Ipv4Address(0xc0000200 + third),
    backend: { type: "" },
    nodeId: null,
  };
}

describe("Forwarding", () => {
  const clock = new FakeClock();
  let backend: RecordingBackend;
  let outcomes: ForwardingOutcome[];
  let forwarding: Forwarding;
  let recorded: ReturnType<typeof recordLog>;
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(() => {
    backend = new RecordingBackend();
    outcomes = [];
    recorded = recordLog();
    stop = new AbortController();
    const onOutcome = (outcome: ForwardingOutcome): void => void outcomes.push(outcome);
    forwarding = new Forwarding({ backend, clock, log: recorded.log, onOutcome });
    running = Promise.resolve();
  });

  afterEach(async () => {
    stop.abort();
    await running;
    expect(clock.sleeping).toBe(0);
  });

  async function start(): Promise<void> {
    running = forwarding.run(stop.signal);
    await clock.advance(0);
  }

  it("opens the backend for the subnet, then syncs", async () => {
    forwarding.wantSubnet(SUBNET_A);
    forwarding.wantPeers([peer(7)]);
    await forwarding.apply(stop.signal);
    expect(backend.calls).toEqual(["open 10.244.1.0/24", "sync 10.244.7.0/24"]);
    expect(outcomes).toEqual([{ problem: null, subnet: SUBNET_A, peers: [peer(7)] }]);
  });

  it("does not repeat at once what the start has done", async () => {
    forwarding.wantSubnet(SUBNET_A);
    await forwarding.apply(stop.signal);
    await start();
    expect(backend.calls).toEqual(["open 10.244.1.0/24", "sync "]);
    expect(clock.nextWakeMs).toBe(RESYNC_EVERY_MS);
  });

  it("does nothing without a subnet", async () => {
    forwarding.wantPeers([peer(7)]);
    await forwarding.apply(stop.signal);
    expect(backend.calls).toEqual([]);
  });

  it("fails at start with what the backend says, and leaves nothing open", async () => {
    backend.failure = new OverlayError("ERR_TUN_DENIED", "Cannot open TUN flannel0: EPERM");
    forwarding.wantSubnet(SUBNET_A);
    await expect(forwarding.apply(stop.signal)).rejects.toBe(backend.failure);
    expect(backend.calls).toEqual(["open 10.244.1.0/24", "close"]);
  });

  it("brings the newest peers, one sync at a time", async () => {
    forwarding.wantSubnet(SUBNET_A);
    await start();
    let openGate = (): void => undefined;
    backend.gate = new Promise((resolve) => (openGate = resolve));
    forwarding.wantPeers([peer(7)]);
    await clock.advance(0);
    forwarding.wantPeers([peer(7), peer(8)]);
    forwarding.wantPeers([peer(8)]);
    backend.gate = null;
    openGate();
    await clock.advance(0);
    expect(backend.calls.slice(2)).toEqual(["sync 10.244.7.0/24", "sync 10.244.8.0/24"]);
    expect(backend.mostRunning).toBe(1);
  });

  it("syncs again without a cause every 30 s", async () => {
    forwarding.wantSubnet(SUBNET_A);
    await start();
    const before = backend.calls.length;
    await clock.advance(RESYNC_EVERY_MS - 1);
    expect(backend.calls.length).toBe(before);
    await clock.advance(1);
    expect(backend.calls.length).toBe(before + 1);
    expect(RESYNC_EVERY_MS).toBe(30_000);
  });

  it("closes and opens again when the subnet changes, and only closes when it is lost", async () => {
    forwarding.wantSubnet(SUBNET_A);
    await start();
    forwarding.wantSubnet(SUBNET_B);
    await clock.advance(0);
    forwarding.wantSubnet(null);
    await clock.advance(0);
    expect(backend.calls).toEqual([
      "open 10.244.1.0/24",
      "sync ",
      "close",
      "open 10.244.2.0/24",
      "sync ",
      "close",
    ]);
  });

  it("retries what failed with growing pauses up to 5 s, logs it once, and says when it works again", async () => {
    forwarding.wantSubnet(SUBNET_A);
    await start();
    backend.failure = new Error("no buffer");
    forwarding.wantPeers([peer(7)]);
    await clock.advance(0);
    const failedAt: number[] = [];
    const waits: (number | null)[] = [];
    for (let i = 0; i < 7; i++) {
      failedAt.push(backend.calls.length);
      waits.push(clock.nextWakeMs);
      await clock.advance(clock.nextWakeMs ?? 0);
    }
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000]);
    expect(outcomes.at(-1)?.problem).toBe("no buffer");
    expect(recorded.lines.map((line) => line.level)).toEqual(["error"]);
    backend.failure = null;
    await clock.advance(5000);
    expect(outcomes.at(-1)?.problem).toBeNull();
    expect(recorded.lines.at(-1)?.msg).toBe("Forwarding is up to date again");
    expect(clock.nextWakeMs).toBe(RESYNC_EVERY_MS);
  });

  it("tries a new wish at once although an old one failed", async () => {
    backend.failure = new Error("no buffer");
    forwarding.wantSubnet(SUBNET_A);
    await start();
    backend.failure = null;
    forwarding.wantPeers([peer(7)]);
    await clock.advance(0);
    expect(outcomes.at(-1)).toEqual({ problem: null, subnet: SUBNET_A, peers: [peer(7)] });
  });
});
