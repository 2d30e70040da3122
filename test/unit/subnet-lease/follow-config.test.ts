import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OverlayError } from "../../../src/net/overlay-error.ts";
import { followNetworkConfig } from "../../../src/subnet-lease/follow-config.ts";
import type { StoredConfig } from "../../../src/subnet-lease/follow-config.ts";
import { LeaseFollower } from "../../../src/subnet-lease/follow-leases.ts";
import { MemoryRegistry } from "../../../src/subnet-lease/memory-registry.ts";
import type { Registry, RegistryWrite } from "../../../src/subnet-lease/registry.ts";
import { delegateTo } from "../../support/delegate-registry.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { recordLog } from "../../support/log-lines.ts";
import type { LogLine } from "../../support/log-lines.ts";

const PREFIX = "/coreos.com/network";
const KEY = `${PREFIX}/config`;
const BACK_AFTER_MS = 10_000;
const LOOK_AGAIN_EVERY_MS = 60_000;
const MISSING = "Cannot read the network config: key /coreos.com/network/config does not exist";

const never = new AbortController().signal;
const network = (text: string): string => `{"Network":"${text}"}`;

function textOf(stored: StoredConfig): string {
  if (stored.kind === "config") return stored.config.network.toString();
  if (stored.kind === "denied") return `denied ${stored.key}`;
  return stored.problem.message.split(";")[0] ?? "";
}

describe("followNetworkConfig beside a LeaseFollower", () => {
  let clock: FakeClock;
  let registry: MemoryRegistry;
  let follower: LeaseFollower;
  let lines: LogLine[];
  let stop: AbortController;
  let running: Promise<void>;
  let seen: string[];
  let draw: number;

  beforeEach(() => {
    draw = 0.5; // spreads no interval
    clock = new FakeClock();
    registry = new MemoryRegistry(clock);
    seen = [];
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await running;
    expect(registry.watchCount).toBe(0);
    expect(clock.sleeping).toBe(0);
    await registry.close();
  });

  async function follow(asSeen: Registry = registry): Promise<void> {
    const recorded = recordLog();
    lines = recorded.lines;
    const onConfig = (stored: StoredConfig): void => {
      seen.push(textOf(stored));
    };
    follower = new LeaseFollower({
      registry: asSeen,
      prefix: PREFIX,
      clock,
      random: () => draw,
      log: recorded.log,
      onView: () => undefined,
      beside: (signal) =>
        followNetworkConfig(
          { registry: asSeen, prefix: PREFIX, clock, random: () => draw, onConfig },
          signal,
        ),
      signal: stop.signal,
    });
    running = follower.run();
    await clock.advance(0);
  }

  async function change(write: RegistryWrite, key = KEY): Promise<void> {
    const { entry } = await registry.read(key, never);
    await registry.commit(key, entry?.modRevision ?? 0n, write, never);
    await clock.advance(0);
  }

  const put = (value: string, key = KEY): Promise<void> =>
    change({ kind: "put", value, etcdLeaseId: 0n }, key);

  it("tells what is there, and then every write, and nothing of other keys", async () => {
    await put(network("10.1.0.0/16"));
    await follow();
    await put(network("10.2.0.0/16"));
    await put("junk", `${KEY}s`);
    await put("junk", `${PREFIX}/names/10.244.7.0-24`);
    await put("{");
    await change({ kind: "delete" });
    await put(network("10.3.0.0/16"));
    expect(seen).toEqual([
      "10.1.0.0/16",
      "10.2.0.0/16",
      expect.stringMatching(/^Cannot use the network config: it is not JSON/),
      MISSING,
      "10.3.0.0/16",
    ]);
    expect(lines).toEqual([]);
  });

  it("tells what was changed while the registry was away, and its history gone, without a line of its own", async () => {
    await put(network("10.1.0.0/16"));
    await follow();
    registry.setAvailable(false);
    await clock.advance(0);
    registry.setAvailable(true);
    await put(network("10.2.0.0/16"));
    await put(network("10.3.0.0/16"));
    registry.compact(4n);
    await clock.advance(BACK_AFTER_MS);
    expect(seen).toEqual(["10.1.0.0/16", "10.3.0.0/16"]);
    await put(network("10.4.0.0/16"));
    expect(seen.at(-1)).toBe("10.4.0.0/16");
    expect(lines.map(({ msg }) => msg)).toEqual([
      "Lost contact with the registry, keeping the leases as they are",
      "Back in step with the registry",
    ]);
  });

  it("starts again, and with it the watch on the leases, when its own watch breaks", async () => {
    await put(network("10.1.0.0/16"));
    let breaks = 1;
    await follow(
      delegateTo(registry, {
        async *watchKey(...args) {
          if (breaks-- > 0) throw new OverlayError("ERR_REGISTRY_UNAVAILABLE", "Cannot watch keys: broken");
          yield* registry.watchKey(...args);
        },
      }),
    );
    await clock.advance(BACK_AFTER_MS);
    await put(network("10.2.0.0/16"));
    expect(seen).toEqual(["10.1.0.0/16", "10.1.0.0/16", "10.2.0.0/16"]);
    expect(follower.status).toMatchObject({ isConnected: true, relists: 1 });
  });

  it("ends its watch when the one on the leases breaks alone", async () => {
    await put(network("10.1.0.0/16"));
    await follow(
      delegateTo(registry, {
        async *watch(...args) {
          for await (const batch of registry.watch(...args)) {
            yield batch;
            if (batch.events.length > 0) throw new OverlayError("ERR_REGISTRY_UNAVAILABLE", "broken");
          }
        },
      }),
    );
    await put("junk", `${PREFIX}/subnets/junk`);
    await clock.advance(BACK_AFTER_MS);
    expect(seen).toEqual(["10.1.0.0/16", "10.1.0.0/16"]);
    expect(registry.watchCount).toBe(2);
  });

  describe("when the registry denies the key", () => {
    const denied = new OverlayError("ERR_REGISTRY_DENIED", "Cannot read a key: permission denied");
    let hasRight: boolean;
    let reads: number;
    let asDenied: Registry;

    beforeEach(() => {
      hasRight = false;
      reads = 0;
      asDenied = delegateTo(registry, {
        read: async (...args) => {
          reads++;
          if (!hasRight) throw denied;
          return await registry.read(...args);
        },
      });
    });

    it("tells so and looks again once a minute, and leaves the leases alone", async () => {
      await follow(asDenied);
      expect(seen).toEqual([`denied ${KEY}`]);
      await clock.advance(LOOK_AGAIN_EVERY_MS - 1);
      expect(reads).toBe(1);
      await clock.advance(1);
      expect(reads).toBe(2);
      await clock.advance(10 * LOOK_AGAIN_EVERY_MS);
      expect(reads).toBe(12);
      expect(new Set(seen)).toEqual(new Set([`denied ${KEY}`]));
      expect(follower.status).toMatchObject({ isConnected: true, relists: 0 });
      expect(lines).toEqual([]);
    });

    it("tells what is there once the right was given, and every write from then on", async () => {
      await follow(asDenied);
      await put(network("10.1.0.0/16"));
      hasRight = true;
      await put(network("10.2.0.0/16"));
      await clock.advance(LOOK_AGAIN_EVERY_MS);
      await put(network("10.3.0.0/16"));
      expect(seen).toEqual([`denied ${KEY}`, "10.2.0.0/16", "10.3.0.0/16"]);
      await clock.advance(10 * LOOK_AGAIN_EVERY_MS);
      expect(reads).toBe(2);
      expect(seen).toHaveLength(3);
      expect(follower.status).toMatchObject({ isConnected: true, relists: 0, drift: 0 });
      expect(lines).toEqual([]);
    });

    it("spreads its looks, lest a thousand agents ask in one moment", async () => {
      draw = 0;
      await follow(asDenied);
      await clock.advance(0.9 * LOOK_AGAIN_EVERY_MS);
      expect(reads).toBe(2);
    });

    it("looks when the watch on the leases stands again, and no longer for the time before", async () => {
      await follow(asDenied);
      registry.dropWatches();
      await clock.advance(BACK_AFTER_MS);
      expect(reads).toBe(2);
      await clock.advance(LOOK_AGAIN_EVERY_MS);
      expect(reads).toBe(3);
    });
  });
});
