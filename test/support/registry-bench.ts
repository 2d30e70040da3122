/** What the contract suites of `Registry` do with it. */
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import type { Registry, RegistryEvent, RegistryWrite } from "../../src/subnet-lease/registry.ts";
import type { RegistrySubject } from "./registry-subjects.ts";

const never = new AbortController().signal;

/** A registry for each test of a suite, with keys of the test's own: the server behind it is shared. */
export class RegistryBench {
  #subject: RegistrySubject | null = null;
  #registry: Registry | null = null;
  #tests = 0;

  /** Arranges for a bench in the suite that is being described. */
  static use(start: () => Promise<RegistrySubject>): RegistryBench {
    const bench = new RegistryBench();
    beforeAll(async () => {
      bench.#subject = await start();
    });
    afterAll(() => bench.subject.end());
    beforeEach(() => {
      bench.#registry = bench.subject.open();
      bench.#tests++;
    });
    afterEach(() => bench.registry.close());
    return bench;
  }

  get subject(): RegistrySubject {
    if (this.#subject === null) throw new Error("The suite has not begun");
    return this.#subject;
  }

  get registry(): Registry {
    if (this.#registry === null) throw new Error("No test has begun");
    return this.#registry;
  }

  /** Of every key of the test. */
  get prefix(): string {
    return `/test${this.#tests}/`;
  }

  /** Writes a key, and resolves with the revision of that. */
  async write(name: string, value: string, expected = 0n, etcdLeaseId = 0n): Promise<bigint> {
    return await this.#commit(name, expected, put(value, etcdLeaseId));
  }

  /** Deletes a key, and resolves with the revision of that. */
  async remove(name: string, expected: bigint): Promise<bigint> {
    return await this.#commit(name, expected, { kind: "delete" });
  }

  async revisionNow(): Promise<bigint> {
    return (await this.registry.list(this.prefix, never)).header.revision;
  }

  /** Everything a watch gives, until it has brought `events` events. */
  async collect(fromRevision: bigint, events: number): Promise<RegistryEvent[]> {
    const seen: RegistryEvent[] = [];
    for await (const batch of this.registry.watch(this.prefix, fromRevision, never)) {
      seen.push(...batch.events);
      if (seen.length >= events) break;
    }
    return seen;
  }

  async #commit(name: string, expected: bigint, write: RegistryWrite): Promise<bigint> {
    const result = await this.registry.commit(this.prefix + name, expected, write, never);
    expect(result.committed).toBe(true);
    return result.header.revision;
  }
}

export function put(value: string, etcdLeaseId = 0n): RegistryWrite {
  return { kind: "put", value, etcdLeaseId };
}

/** The code of the error that a call fails with. */
export async function codeOf(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    () => "no error",
    (err: unknown) => (err as { code?: unknown }).code,
  );
}

/** An event in one line. */
export function showEvent(event: RegistryEvent): string {
  return event.kind === "put"
    ? `put ${event.entry.key} ${valueText(event.entry.value)}`
    : `delete ${event.key}`;
}

/** A value as text; "" for no value. */
export function valueText(value: Uint8Array | undefined): string {
  return Buffer.from(value ?? []).toString();
}
