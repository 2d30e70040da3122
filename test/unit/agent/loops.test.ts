import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Bell } from "../../../src/agent/bell.ts";
import { Forwarding, RESYNC_EVERY_MS } from "../../../src/agent/forwarding.ts";
import type { ForwardingOutcome } from "../../../src/agent/forwarding.ts";
import { TaskGroup } from "../../../src/agent/task-group.ts";
import type { Backend } from "../../../src/backends/backend.ts";
import { Ipv4Address, Ipv4Prefix } from "../../../src/net/ipv4.ts";
import { OverlayError } from "../../../src/net/overlay-error.ts";
import type { Peer, PeerSet } from "../../../src/peers/peer.ts";
import type { BackendData } from "../../../src/subnet-lease/lease.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { recordLog } from "../../support/log-lines.ts";

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

/** Stands where the kernel is: writes down what it is told, and fails when it is told to. */
class RecordingBackend implements Backend {
  readonly type = "recording";
  readonly overheadBytes = 28;
  readonly calls: string[] = [];
  failure: Error | null = null;
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

  readCounters(): Readonly<Record<string, number>> {
    return {};
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

describe("Bell", () => {
  it("ends a wait at the ring, and the next one when it rang in between", async () => {
    const clock = new FakeClock();
    const bell = new Bell();
    const { signal } = new AbortController();
    const waiting = bell.wait(1000, clock, signal);
    bell.ring();
    await waiting;
    bell.ring();
    await bell.wait(1000, clock, signal);
    expect(clock.nowMs()).toBe(0);
    expect(clock.sleeping).toBe(0);
  });

  it("ends by itself when the time is over", async () => {
    const clock = new FakeClock();
    let isOver = false;
    const waiting = new Bell().wait(1000, clock, new AbortController().signal).then(() => (isOver = true));
    await clock.advance(999);
    expect(isOver).toBe(false);
    await clock.advance(1);
    await waiting;
    expect(isOver).toBe(true);
  });

  it("rejects when the signal is aborted, before or while waiting, and leaves no sleep", async () => {
    const clock = new FakeClock();
    const stop = new AbortController();
    const waiting = new Bell().wait(1000, clock, stop.signal);
    stop.abort(new Error("stopped"));
    await expect(waiting).rejects.toThrow("stopped");
    await expect(new Bell().wait(1000, clock, stop.signal)).rejects.toThrow("stopped");
    expect(clock.sleeping).toBe(0);
  });
});

describe("TaskGroup", () => {
  const untilAborted = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));

  it("stops every task when one fails, and tells the failure", async () => {
    const group = new TaskGroup(new AbortController().signal);
    let isStopped = false;
    group.start((signal) => untilAborted(signal).then(() => void (isStopped = true)));
    group.start(() => Promise.reject(new Error("broken")));
    await expect(group.ended()).rejects.toThrow("broken");
    expect(isStopped).toBe(true);
  });

  it("ends with the outer signal and without an error, whatever tasks do afterwards", async () => {
    const outer = new AbortController();
    const group = new TaskGroup(outer.signal);
    group.start(async (signal) => {
      await untilAborted(signal);
      throw new Error("while stopping");
    });
    outer.abort();
    await expect(group.ended()).resolves.toBeUndefined();
    expect(group.signal.aborted).toBe(true);
  });

  it("ends at once under a signal that is aborted already", async () => {
    await expect(new TaskGroup(AbortSignal.abort()).ended()).resolves.toBeUndefined();
  });

  it("keeps the first failure", async () => {
    const group = new TaskGroup(new AbortController().signal);
    group.fail(new Error("first"));
    group.fail(new Error("second"));
    await expect(group.ended()).rejects.toThrow("first");
  });
});
