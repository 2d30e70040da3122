import { describe, expect, it } from "vitest";
import type { WatchBatch } from "../../../src/subnet-lease/registry.ts";
import { WatchQueue } from "../../../src/subnet-lease/watch-queue.ts";

const batch = (revision: number, ...keys: string[]): WatchBatch => ({
  events: keys.map((key) => ({ kind: "delete", key, modRevision: BigInt(revision) })),
  header: { revision: BigInt(revision), clusterId: 1n },
});

describe("WatchQueue", () => {
  it("gives what came before a failure, then the failure, the first one", async () => {
    const queue = new WatchQueue(new AbortController().signal);
    queue.push(batch(1));
    queue.fail(new Error("first"));
    queue.fail(new Error("second"));
    queue.push(batch(2));
    const batches = queue.batches();
    expect((await batches.next()).value).toEqual(batch(1));
    await expect(batches.next()).rejects.toThrow("first");
  });

  it("gives the first batch alone, and all that came while one was read as one, events in order", async () => {
    const queue = new WatchQueue(new AbortController().signal);
    const batches = queue.batches();
    queue.push(batch(1));
    queue.push(batch(2, "a", "b"));
    expect((await batches.next()).value).toEqual(batch(1));
    queue.push(batch(3));
    queue.push(batch(4, "c"));
    const { value } = (await batches.next()) as { value: WatchBatch };
    expect(value.header).toEqual(batch(4).header);
    expect(value.events).toEqual([...batch(2, "a", "b").events, ...batch(4, "c").events]);
    queue.push(batch(5, "d"));
    expect((await batches.next()).value).toEqual(batch(5, "d"));
  });

  it("lets the event loop have a turn between two batches", async () => {
    const queue = new WatchQueue(new AbortController().signal);
    const batches = queue.batches();
    queue.push(batch(1));
    await batches.next();
    let hasTurned = false;
    setImmediate(() => (hasTurned = true));
    queue.push(batch(2));
    await batches.next();
    expect(hasTurned).toBe(true);
  });

  it("gives up on a reader that is 1,000 batches behind", async () => {
    const queue = new WatchQueue(new AbortController().signal);
    for (let i = 1; i <= 1_001; i++) queue.push(batch(i));
    const batches = queue.batches();
    expect((await batches.next()).value).toEqual(batch(1));
    expect((await batches.next()).value).toEqual(batch(1_000));
    await expect(batches.next()).rejects.toThrow("Cannot watch keys: 1000 batches wait to be read");
  });

  it("ends when the signal is aborted, although more is there", async () => {
    const stop = new AbortController();
    const queue = new WatchQueue(stop.signal);
    queue.push(batch(1));
    stop.abort();
    expect(await queue.batches().next()).toEqual({ done: true, value: undefined });
  });
});
