import { describe, expect, it } from "vitest";
import type { WatchBatch } from "../../../src/subnet-lease/registry.ts";
import { WatchQueue } from "../../../src/subnet-lease/watch-queue.ts";

const batch = (revision: number): WatchBatch => ({
  events: [],
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

  it("gives up on a reader that is 1,000 batches behind", async () => {
    const queue = new WatchQueue(new AbortController().signal);
    for (let i = 1; i <= 1_001; i++) queue.push(batch(i));
    const batches = queue.batches();
    for (let i = 1; i <= 1_000; i++) expect((await batches.next()).value).toEqual(batch(i));
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
