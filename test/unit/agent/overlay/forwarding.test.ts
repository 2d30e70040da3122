import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { AUDIT_EVERY_MS, Forwarding } from "../../../../src/agent/overlay/forwarding.ts";
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

  it("repeats nothing of what the start has done, and audits it at once and then every 30 s", async () => {
    forwarding.wantSubnet(SUBNET_A);
    forwarding.wantPeers([]);
    await forwarding.apply(stop.signal);
    await start();
    expect(backend.calls).toEqual(["open 10.244.1.0/24", "sync ", "audit"]);
    expect(clock.nextWakeMs).toBe(AUDIT_EVERY_MS);
    expect(AUDIT_EVERY_MS).toBe(30_000);
    await clock.advance(AUDIT_EVERY_MS);
    expect(backend.calls.slice(3)).toEqual(["audit"]);
  });

  it("leaves what an earlier run left until the peers are known", async () => {
    forwarding.wantSubnet(SUBNET_A);
    await forwarding.apply(stop.signal);
    await start();
    forwarding.doubt();
    await clock.advance(2 * AUDIT_EVERY_MS);
    expect(backend.calls).toEqual(["open 10.244.1.0/24"]);
    expect(outcomes).toEqual([{ problem: null, subnet: SUBNET_A, peers: null }]);
    forwarding.wantPeers([peer(7)]);
    await clock.advance(0);
    expect(backend.calls.slice(1)).toEqual(["sync 10.244.7.0/24", "audit"]);
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
    forwarding.wantPeers([]);
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
    expect(backend.calls.slice(3)).toEqual(["sync 10.244.7.0/24", "sync 10.244.8.0/24"]);
    expect(backend.mostRunning).toBe(1);
  });

  describe("when something has changed in the kernel", () => {
    beforeEach(async () => {
      forwarding.wantSubnet(SUBNET_A);
      forwarding.wantPeers([]);
      await start();
      await clock.advance(10_000);
      backend.calls.length = 0;
    });

    it("audits once for all the changes of 50 ms", async () => {
      forwarding.doubt();
      await clock.advance(49);
      forwarding.doubt();
      expect(backend.calls).toEqual([]);
      await clock.advance(1);
      expect(backend.calls).toEqual(["audit"]);
      await clock.advance(10_000);
      expect(backend.calls).toEqual(["audit"]);
    });

    it("repairs no more often than once a second, however often somebody undoes it", async () => {
      backend.repairs = 1;
      for (let i = 0; i < 1000; i++) {
        forwarding.doubt();
        await clock.advance(10);
      }
      expect(backend.calls.length).toBeGreaterThanOrEqual(9);
      expect(backend.calls.length).toBeLessThanOrEqual(11);
    });

    it("looks at what came while it wrote itself only after a while", async () => {
      let openGate = (): void => undefined;
      backend.gate = new Promise((resolve) => (openGate = resolve));
      forwarding.wantPeers([peer(7)]);
      await clock.advance(0);
      forwarding.doubt();
      backend.gate = null;
      openGate();
      await clock.advance(29);
      forwarding.doubt();
      await clock.advance(4_900);
      expect(backend.calls).toEqual(["sync 10.244.7.0/24"]);
      await clock.advance(100);
      expect(backend.calls).toEqual(["sync 10.244.7.0/24", "audit"]);
    });

    it("retries a failure sooner for it, and audits with the retry", async () => {
      backend.failure = new Error("no buffer");
      forwarding.wantPeers([peer(7)]);
      await clock.advance(10_000);
      backend.failure = null;
      backend.calls.length = 0;
      forwarding.doubt();
      await clock.advance(249);
      expect(backend.calls).toEqual([]);
      await clock.advance(1);
      expect(backend.calls).toEqual(["sync 10.244.7.0/24", "audit"]);
    });

    it("does not retry a failure sooner for what the failing attempt itself has changed", async () => {
      backend.failure = new Error("no buffer");
      forwarding.wantPeers([peer(7)]);
      await clock.advance(0);
      backend.failure = null;
      forwarding.doubt();
      await clock.advance(249);
      expect(backend.calls).toEqual(["sync 10.244.7.0/24"]);
      await clock.advance(1);
      expect(backend.calls).toEqual(["sync 10.244.7.0/24", "sync 10.244.7.0/24", "audit"]);
    });
  });

  it("takes its peers away in the kernel before it closes, when the subnet changes or is lost", async () => {
    forwarding.wantSubnet(SUBNET_A);
    forwarding.wantPeers([peer(7)]);
    await start();
    forwarding.wantSubnet(SUBNET_B);
    await clock.advance(0);
    forwarding.wantSubnet(null);
    await clock.advance(0);
    expect(backend.calls.filter((call) => call !== "audit")).toEqual([
      "open 10.244.1.0/24",
      "sync 10.244.7.0/24",
      "sync ",
      "close",
      "open 10.244.2.0/24",
      "sync 10.244.7.0/24",
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
    expect(clock.nextWakeMs).toBe(AUDIT_EVERY_MS);
  });

  it("tries a new wish sooner than the retry of an old one that failed, but not at every wish", async () => {
    backend.failure = new Error("no buffer");
    forwarding.wantSubnet(SUBNET_A);
    await start();
    await clock.advance(10_000);
    backend.calls.length = 0;
    for (let i = 1; i <= 10; i++) {
      forwarding.wantPeers([peer(i)]);
      await clock.advance(100);
    }
    expect(backend.calls.filter((call) => call.startsWith("open")).length).toBeLessThanOrEqual(4);
    backend.failure = null;
    forwarding.wantPeers([peer(7)]);
    await clock.advance(250);
    expect(outcomes.at(-1)).toEqual({ problem: null, subnet: SUBNET_A, peers: [peer(7)] });
  });

  it("tells of an outcome again when an audit repaired something, and only then", async () => {
    forwarding.wantSubnet(SUBNET_A);
    forwarding.wantPeers([peer(7)]);
    await start();
    outcomes.length = 0;
    await clock.advance(AUDIT_EVERY_MS);
    expect(outcomes).toEqual([]);
    backend.repairs = 2;
    await clock.advance(AUDIT_EVERY_MS);
    expect(outcomes).toEqual([{ problem: null, subnet: SUBNET_A, peers: [peer(7)] }]);
  });
});
