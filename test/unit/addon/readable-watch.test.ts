import { closeSync, openSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EAGAIN, openPacketPair, readPacket, writePacket } from "../../../src/datapath/packet-io.ts";
import { watchReadable } from "../../../src/addon/readable-watch.ts";
import type { ReadableWatch } from "../../../src/addon/readable-watch.ts";
import { eventually } from "../../support/eventually.ts";
import { countDescriptors, threadIds, threadsSince } from "../../support/process-resources.ts";

const packet = Buffer.from("packet");
const scratch = Buffer.alloc(64);
let near: number;
let far: number;
let watches: ReadableWatch[] = [];

beforeEach(() => ([near, far] = openPacketPair()));
afterEach(() => {
  for (const watch of watches) watch.close();
  watches = [];
  closeSync(near);
  closeSync(far);
});

/** A watch on the far end that is closed after the test. */
function watchFar(onReadable: (errno: number) => void): ReadableWatch {
  const watch = watchReadable(far, onReadable);
  watches.push(watch);
  return watch;
}

const write = (): number => writePacket(near, packet, 0, packet.length);
const read = (): number => readPacket(far, scratch, 0, scratch.length);

/**
 * Turns of the event loop, each with a look at its descriptors: enough for any callback that is due to run.
 * A number of turns, not of milliseconds, because the claim is that nothing comes.
 */
async function turnLoop(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await nextTurn();
}

describe("watchReadable", () => {
  it("calls with 0 when a packet comes, and not before", async () => {
    const onReadable = vi.fn(() => void read());
    watchFar(onReadable);
    await turnLoop();
    expect(onReadable).not.toHaveBeenCalled();
    write();
    await eventually(() => onReadable.mock.calls.length > 0);
    await turnLoop();
    expect(onReadable.mock.calls).toEqual([[0]]);
  });

  it("calls again while something is left unread, and stops when it is empty", async () => {
    const lengths: number[] = [];
    watchFar(() => lengths.push(read()));
    write();
    write();
    write();
    await eventually(() => lengths.length === 3);
    await turnLoop();
    expect(lengths).toEqual([6, 6, 6]);
    expect(read()).toBe(-EAGAIN);
  });

  it("lets timers and other sockets have their turn while a flood lasts", async () => {
    let calls = 0;
    watchFar(() => calls++); // reads nothing: readable for ever
    write();
    const server = createServer((socket) => socket.end("served")).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const client = createConnection(address.port, "127.0.0.1");
    const [data] = (await once(client, "data")) as [Buffer];
    expect(data.toString()).toBe("served");
    expect(calls).toBeGreaterThan(1);
    server.close();
    await once(client, "close");
  });

  it("does not call after close, even when a packet was waiting", async () => {
    const onReadable = vi.fn();
    const watch = watchFar(onReadable);
    write();
    watch.close();
    await turnLoop();
    expect(onReadable).not.toHaveBeenCalled();
  });

  it("can be closed from its own callback, twice", async () => {
    const onReadable = vi.fn(() => {
      watch.close();
      watch.close();
    });
    const watch = watchFar(onReadable);
    write();
    await eventually(() => onReadable.mock.calls.length > 0);
    await turnLoop();
    expect(onReadable).toHaveBeenCalledTimes(1);
  });

  it("calls when the other end is closed", async () => {
    const [one, other] = openPacketPair();
    const results: number[] = [];
    const watch = watchReadable(one, () => results.push(readPacket(one, scratch, 0, 1)));
    closeSync(other);
    await eventually(() => results.length > 0);
    expect(results[0]).toBe(0);
    watch.close();
    closeSync(one);
  });

  it("can watch a descriptor again as soon as the watch before is closed", async () => {
    watchFar(() => undefined).close();
    const onReadable = vi.fn(() => void read());
    watchFar(onReadable);
    write();
    await eventually(() => onReadable.mock.calls.length === 1);
  });

  it("runs promise callbacks before any other callback, as Node.js does after its own", async () => {
    const order: string[] = [];
    const readFrom = (fd: number) => (): void => {
      readPacket(fd, scratch, 0, scratch.length);
      order.push("call");
      void Promise.resolve().then(() => order.push("promise"));
    };
    watches.push(watchReadable(near, readFrom(near)));
    watchFar(readFrom(far));
    writePacket(far, packet, 0, 6); // both ends are readable in the same turn
    write();
    await eventually(() => order.length === 4);
    expect(order).toEqual(["call", "promise", "call", "promise"]);
  });

  it("refuses a descriptor that is watched already, cannot be polled or is closed", () => {
    watchFar(() => undefined);
    const file = openSync(import.meta.filename, "r");
    const watch = (fd: number) => () => watchReadable(fd, () => undefined);
    expect(watch(far)).toThrow(`Cannot watch descriptor ${far}: EEXIST`);
    expect(watch(file)).toThrow(`Cannot watch descriptor ${file}: EPERM`);
    closeSync(file);
    expect(watch(file)).toThrow(`Cannot watch descriptor ${file}: EBADF`);
  });

  it("leaves no descriptor and no thread after 10,000 watches", async () => {
    const [descriptors, threads] = [countDescriptors(), threadIds()];
    for (let i = 0; i < 10_000; i++) {
      watchReadable(far, () => undefined).close();
      if (i % 100 === 0) await nextTurn();
    }
    expect(countDescriptors()).toBe(descriptors);
    await eventually(() => expect(threadsSince(threads)).toEqual([]));
  });
});

/** A thread with an event loop of its own, which says "watching" once a watch has called. */
function startWatchingWorker(): Worker {
  const source = new URL("../../support/watching-worker.ts", import.meta.url);
  return new Worker(source);
}

describe("a thread that ends with its watch open", () => {
  it("ends, and the process lives on", async () => {
    for (let i = 0; i < 5; i++) {
      const worker = startWatchingWorker();
      expect(await once(worker, "message")).toEqual(["watching"]);
      expect(await worker.terminate()).toBe(1);
    }
  });
});
