/** The other side of kernel-events-process.ts. Ends when nothing holds it: the channel, or a listener left open. */
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { openKernelEvents } from "../../src/kernel/kernel-events.ts";
import type { KernelEvents } from "../../src/kernel/kernel-events.ts";
import type { KernelChanges } from "../../src/kernel/kernel-interest.ts";
import { eventually } from "./eventually.ts";
import { prefixOf } from "./ipv4.ts";
import { countDescriptors } from "./process-resources.ts";

/** A `KernelInterest` that can travel. */
export interface GivenInterest {
  readonly names: readonly string[];
  readonly indexes: readonly number[];
  readonly deviceIndex: number | null;
  readonly network: string;
}

/** What came since the last look. */
export interface Heard {
  /** Names of the members of {@link KernelChanges} that were true in any call, sorted. */
  readonly changes: string[];
  readonly calls: number;
  /** Since the listener was opened. */
  readonly overflows: number;
}

let events: KernelEvents | null = null;
let heard: KernelChanges[] = [];

function listener(): KernelEvents {
  if (events === null) throw new Error("There is no listener");
  return events;
}

/** Bytes that wait unread at this process's netlink sockets (proc(5), /proc/net/netlink). */
function unreadBytes(): number {
  const own = new Set(readdirSync("/proc/self/fd").map(inodeOf));
  const rows = readFileSync("/proc/self/net/netlink", "utf8").trim().split("\n").slice(1);
  const columns = rows.map((row) => row.trim().split(/\s+/));
  return columns
    .filter((row) => own.has(row.at(-1) ?? ""))
    .reduce((sum, [, , , , rmem = ""]) => sum + Number(rmem), 0);
}

/** Of the socket behind a descriptor, else "". */
function inodeOf(fd: string): string {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1] ?? "";
  } catch {
    return ""; // the descriptor of the listing itself
  }
}

const operations = {
  /** True when changes of the firewall are seen. */
  open(options: { receiveBufferBytes?: number }): boolean {
    events = openKernelEvents({ ...options, onChange: (changes) => heard.push(changes) });
    return events.firewallProblem === null;
  },

  watch: ({ network, ...interest }: GivenInterest): void =>
    listener().watch({ ...interest, network: prefixOf(network) }),

  /** Runs a program to its end with the event loop standing still. */
  runBusily: (program: string, args: readonly string[], input: string): void =>
    void execFileSync(program, args, { input }),

  /** The kernel queues a notification before the call that made the change returns: all that is queued gets read. */
  async settle(): Promise<Heard> {
    await eventually(() => unreadBytes() === 0, { pollMs: 0 });
    const seen = heard;
    heard = [];
    const changes = seen.flatMap((one) => Object.entries(one).flatMap(([name, is]) => (is ? [name] : [])));
    return { changes: [...new Set(changes)].sort(), calls: seen.length, overflows: listener().overflows };
  },

  /** Descriptors before and after opening and closing this many listeners. */
  churn(times: number): [before: number, after: number] {
    const before = countDescriptors();
    for (let i = 0; i < times; i++) openKernelEvents({ onChange: () => undefined }).close();
    return [before, countDescriptors()];
  },

  countDescriptors: (): number => countDescriptors(),

  close(): void {
    listener().close();
    listener().close();
  },
};

export type KernelEventsOperations = typeof operations;
/** As IPC sees them: kernel-events-process.ts checks the types of names and arguments. */
const untyped = operations as unknown as Record<
  keyof KernelEventsOperations,
  (...args: unknown[]) => unknown
>;

async function answer(request: { name: keyof KernelEventsOperations; args: unknown[] }): Promise<object> {
  try {
    return { value: await untyped[request.name](...request.args) };
  } catch (err) {
    return { error: err instanceof Error ? err.message : "?" };
  }
}

process.on("message", (request: { name: keyof KernelEventsOperations; args: unknown[] }) => {
  void answer(request).then((reply) => process.send?.(reply));
});
process.send?.("ready");
