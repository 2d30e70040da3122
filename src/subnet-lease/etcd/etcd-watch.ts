/**
 * A watch on etcd's raw stream. etcd3's own `Watcher` is not used: it takes its resume point from an answer
 * that comes before the events, hides the revision of a compaction, and passes the start revision through a
 * JavaScript number. Here every end of the stream is an error, and nothing is resumed.
 */
import type { IWatchResponse } from "etcd3";
import type { EtcdConnection } from "./etcd-connection.ts";
import { compactedError, noAnswerError, registryError } from "./etcd-errors.ts";
import type { EtcdSession } from "./etcd-session.ts";
import { readEvents, readHeader } from "./etcd-values.ts";
import type { KeyRange } from "./etcd-values.ts";
import type { WatchBatch } from "../registry.ts";
import { WatchQueue } from "../watch-queue.ts";

const ACTION = "watch keys";

/** `Registry.watch` and `watchKey` on the session's connection, which is given up when the watch fails. */
export async function* watchEtcd(
  session: EtcdSession,
  range: KeyRange,
  fromRevision: bigint,
  signal: AbortSignal,
): AsyncGenerator<WatchBatch> {
  if (fromRevision <= 0n) {
    throw new RangeError(`Cannot watch from revision ${fromRevision.toString()}: need 1 or more`);
  }
  if (signal.aborted) return;
  const { clock, callTimeoutMs } = session;
  const slot = session.current(ACTION);
  const queue = new WatchQueue(signal);
  const fail = (cause: unknown): void => queue.fail(registryError(ACTION, slot.address, cause));
  const created = new AbortController();
  const ended = new AbortController();
  void clock.sleep(callTimeoutMs, created.signal).then(
    () => fail(noAnswerError(ACTION, slot.address, callTimeoutMs)),
    () => undefined,
  );
  slot.lost.signal.addEventListener("abort", () => fail(slot.lost.signal.reason), { signal: ended.signal });
  const options = { range, fromRevision, signal: ended.signal, onCreated: () => created.abort() };
  slot.opening
    .then((connection) => (ended.signal.aborted ? undefined : fillQueue(queue, connection, options)))
    .catch(fail);
  try {
    yield* queue.batches();
  } catch (err) {
    session.giveUp(slot, registryError(ACTION, slot.address, err));
    throw err;
  } finally {
    created.abort();
    ended.abort();
  }
}

interface StreamOptions {
  readonly range: KeyRange;
  readonly fromRevision: bigint;
  /** Ends the stream. */
  readonly signal: AbortSignal;
  /** Called once etcd says that the watch stands. */
  onCreated(): void;
}

async function fillQueue(
  queue: WatchQueue,
  connection: EtcdConnection,
  options: StreamOptions,
): Promise<void> {
  const { address } = connection;
  const { range, fromRevision, signal } = options;
  const fail = (cause: unknown): void => queue.fail(registryError(ACTION, address, cause));
  const stream = await connection.etcd.watchClient.watch(connection.callOptions(signal, { leader: true }));
  stream.on("data", (response) => {
    if (response.canceled) {
      queue.fail(cancelError(address, response));
      return;
    }
    if (response.created) options.onCreated();
    queue.push({ events: readEvents(response.events, fromRevision), header: readHeader(response.header) });
  });
  stream.on("error", fail);
  stream.on("end", () => fail(new Error("the stream ended")));
  // Before the cancellation reaches it: etcd3 takes an error on a writable stream for a fault of the host.
  const end = (): void => stream.end();
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) {
    end();
    return;
  }
  const request = { ...range, start_revision: fromRevision.toString(), progress_notify: true };
  stream.write({ create_request: request });
}

function cancelError(address: string, response: IWatchResponse): Error {
  if (response.compact_revision !== "0") return compactedError(address, response.compact_revision);
  return registryError(ACTION, address, new Error(response.cancel_reason));
}
