/** Hears which routes come and go in a namespace, and when, as the kernel tells. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Namespace } from "../../src/lab/machine/namespace.ts";
import { eventually } from "./eventually.ts";

/** In a table that nobody looks at: shows that the monitor listens. */
const SIGN = "blackhole 203.0.113.0/24 table 99";
const LINE = /^\[([^\]]+)\] *(Deleted )?(?:\w+ )?([0-9.]+(?:\/[0-9]+)?) /;

export interface RouteChange {
  readonly destination: string;
  /** False: the route came, or became another. */
  readonly isRemoval: boolean;
  /** By the clock of the wall. */
  readonly atMs: number;
}

/** `await using` ends it. */
export class RouteMonitor implements AsyncDisposable {
  /** Everything heard, but for the sign. */
  readonly changes: RouteChange[] = [];
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #hasSeenSign = false;
  #rest = "";

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#closed = once(child, "close"); // all that it printed is read
    child.stdout?.setEncoding("utf8").on("data", (text: string) => this.#read(text));
  }

  static async start(namespace: Namespace): Promise<RouteMonitor> {
    const child = namespace.start(["ip", "-ts", "-o", "-4", "monitor", "route"], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { TZ: "UTC" },
    });
    const monitor = new RouteMonitor(child);
    await eventually(async () => {
      await namespace.ip([`route add ${SIGN}`, `route del ${SIGN}`]);
      return monitor.#hasSeenSign;
    });
    return monitor;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#closed;
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#take(line);
  }

  #take(line: string): void {
    const [, time, deleted, destination = ""] = LINE.exec(line) ?? [];
    if (line.includes("table 99")) this.#hasSeenSign = true;
    else if (time !== undefined)
      this.changes.push({ destination, isRemoval: deleted !== undefined, atMs: Date.parse(`${time}Z`) });
  }
}
