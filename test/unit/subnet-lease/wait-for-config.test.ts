import { describe, expect, it } from "vitest";
import { MemoryRegistry } from "../../../src/subnet-lease/memory-registry.ts";
import { waitForNetworkConfig } from "../../../src/subnet-lease/wait-for-config.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { recordLog } from "../../support/log-lines.ts";

const PREFIX = "/coreos.com/network";
const KEY = `${PREFIX}/config`;
const VALID = `{"Network":"10.3.0.0/16"}`;

function start() {
  const clock = new FakeClock();
  const registry = new MemoryRegistry(clock);
  const { log, lines } = recordLog();
  const stop = new AbortController();
  const { signal } = stop;
  const told: string[] = [];
  return {
    clock,
    registry,
    lines,
    stop,
    told,
    wait: () =>
      waitForNetworkConfig({
        registry,
        prefix: PREFIX,
        clock,
        log,
        signal,
        onWait: ({ code }) => told.push(code),
      }),
    /** Writes the config, whatever was there. */
    put: async (value: string): Promise<void> => {
      const { entry } = await registry.read(KEY, signal);
      await registry.commit(KEY, entry?.modRevision ?? 0n, { kind: "put", value, etcdLeaseId: 0n }, signal);
    },
  };
}

describe("waitForNetworkConfig", () => {
  it("reads a config that is there", async () => {
    const { put, wait, lines } = start();
    await put(VALID);
    expect((await wait()).network.toString()).toBe("10.3.0.0/16");
    expect(lines).toEqual([]);
  });

  it("tries again every second until it is written (L6)", async () => {
    const { put, wait, clock, lines } = start();
    const waiting = wait();
    for (let i = 0; i < 5; i++) {
      await clock.advance(0);
      expect(clock.nextWakeMs).toBe(1000);
      await clock.advance(1000);
    }
    await put(VALID);
    await clock.advance(1000);
    expect((await waiting).subnetLength).toBe(24);
    expect(lines).toMatchObject([
      {
        level: "error",
        key: KEY,
        msg: "Cannot read the network config, will retry every second",
      },
    ]);
  });

  it("says so again when the reason changes, and once a minute", async () => {
    const { put, wait, clock, registry, lines, stop, told } = start();
    const waiting = wait();
    await clock.advance(10_000);
    await put(`{"Network":"10.3.0.0/29"}`);
    await clock.advance(10_000);
    registry.setAvailable(false);
    await clock.advance(10_000);
    const reasons = lines.map((line) => (line.err as { message: string }).message);
    expect(reasons).toEqual([
      `Cannot read the network config: key ${KEY} does not exist; write it with etcdctl put ${KEY} '{"Network":"10.244.0.0/16"}', or check --etcd-prefix`,
      "Cannot use the network config: Network 10.3.0.0/29 is too small for subnets; use a /28 or wider",
      "Cannot read a key: the registry is unavailable, it does not answer",
    ]);
    expect([...new Set(told)]).toEqual([
      "ERR_CONFIG_MISSING",
      "ERR_CONFIG_INVALID",
      "ERR_REGISTRY_UNAVAILABLE",
    ]);
    await clock.advance(600_000);
    expect(lines).toHaveLength(13);
    stop.abort();
    await expect(waiting).rejects.toThrow();
    expect(clock.sleeping).toBe(0);
  });

  it("refuses a config of more than 64 KiB", async () => {
    const { put, wait, clock, lines, stop } = start();
    await put(VALID.padEnd(65_537));
    const waiting = wait();
    await clock.advance(0);
    expect(lines[0]?.err).toMatchObject({
      message: "Cannot use the network config: it has 65537 bytes, more than 65536",
    });
    stop.abort();
    await expect(waiting).rejects.toThrow();
  });

  it("gives up when the registry denies the first attempt, not a later one", async () => {
    const { put, wait, clock, registry } = start();
    registry.setDenied(true);
    await expect(wait()).rejects.toMatchObject({ code: "ERR_REGISTRY_DENIED" });
    registry.setDenied(false);
    const waiting = wait();
    await clock.advance(500);
    registry.setDenied(true);
    await clock.advance(2000);
    registry.setDenied(false);
    await put(VALID);
    await clock.advance(1000);
    expect((await waiting).text).toBe(VALID);
  });
});
