/** A cluster in motion: nodes that come, go, and change, a hundred events a second, none of them by an agent. */
import { setTimeout as delay } from "node:timers/promises";
import { forgeLease, forgeLeases, keyOf, leaseWrite } from "./forged-leases.ts";
import type { ForgedLease } from "./forged-leases.ts";
import type { Way } from "./healing-lab.ts";
import type { KeyWrite, LeaseWriter } from "./lease-writer.ts";

/**
 * `add`: a subnet that nobody had; `remove`: it stays away; `leave` and `comeBack`: away for one event; `newAddress`,
 * `newMac`: the same subnet with another of these; `same`: the value that is there.
 */
export type ChurnKind = "add" | "remove" | "leave" | "comeBack" | "newAddress" | "newMac" | "same";

/** What follows what. As many come as go. */
const ROUND: readonly ChurnKind[] = [
  ...(["add", "same", "remove", "newMac", "leave", "comeBack"] as const),
  ...(["newAddress", "add", "same", "remove"] as const),
];

export interface ChurnEvent {
  readonly kind: ChurnKind;
  readonly subnet: string;
  /** By the clock of the wall; when the write left for etcd. */
  readonly sentMs: number;
}

/** Leases that are there, and what becomes of them. A lease is not touched again before all others were. */
export class LeaseChurn {
  readonly #backend: Way["backend"];
  readonly #present: ForgedLease[];
  #made: number;
  #away: ForgedLease | null = null;
  #events = 0;

  constructor(backend: Way["backend"], count: number) {
    this.#backend = backend;
    this.#present = forgeLeases(0, count);
    this.#made = count;
  }

  /** What there is at first. */
  initialWrites(): KeyWrite[] {
    return this.#present.map((lease) => leaseWrite(this.#backend, lease));
  }

  /** Writes `count` events, one each `intervalMs`; resolves when etcd has taken the last. Each is told when it is under way. */
  async run(
    writer: LeaseWriter,
    { count, intervalMs, onSent }: { count: number; intervalMs: number; onSent: (event: ChurnEvent) => void },
  ): Promise<ChurnEvent[]> {
    const startMs = performance.now();
    const events: Promise<ChurnEvent>[] = [];
    for (let i = 0; i < count; i++) {
      const waitMs = startMs + i * intervalMs - performance.now();
      if (waitMs > 0) await delay(waitMs);
      const { kind, subnet, write } = this.#next();
      events.push(
        writer.write([write]).then((sentMs) => {
          const event = { kind, subnet, sentMs };
          onSent(event);
          return event;
        }),
      );
    }
    return await Promise.all(events);
  }

  #next(): { kind: ChurnKind; subnet: string; write: KeyWrite } {
    const kind = ROUND[this.#events++ % ROUND.length] ?? "same";
    if (kind === "add") return this.#put(kind, this.#forge());
    if (kind === "comeBack") return this.#put(kind, this.#away ?? this.#forge());
    const lease = this.#present.shift() ?? this.#forge();
    if (kind === "remove" || kind === "leave") {
      this.#away = lease;
      return { kind, subnet: lease.subnet, write: { key: keyOf(lease.subnet), value: null } };
    }
    const { publicIp, vtepMac } = this.#forge();
    const change = { newAddress: { publicIp }, newMac: { vtepMac }, same: {} }[kind];
    return this.#put(kind, { ...lease, ...change });
  }

  #put(kind: ChurnKind, lease: ForgedLease): { kind: ChurnKind; subnet: string; write: KeyWrite } {
    this.#present.push(lease);
    return { kind, subnet: lease.subnet, write: leaseWrite(this.#backend, lease) };
  }

  /** Of a subnet, an address and a MAC that no lease had. */
  #forge(): ForgedLease {
    const index = this.#made++;
    return forgeLease(index, index + 1);
  }
}
