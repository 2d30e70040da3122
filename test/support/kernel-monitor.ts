/** Everything that `ip monitor` and `nft monitor` tell of a host: who writes, and how often, cannot be hidden from them. */
import { once } from "node:events";
import { eventually } from "./eventually.ts";
import type { LabHost } from "./lab.ts";

/** One notification. */
export interface Notice {
  /** By the clock of the wall. */
  readonly atMs: number;
  /** As `ip monitor` prints it: `Deleted ` goes before what is gone. */
  readonly text: string;
}

export interface Monitor {
  /** Ends it; resolves with everything since its start. */
  stop(): Promise<Notice[]>;
}

/** A destination that nobody else uses (RFC 2544): what is told of it shows that the monitor listens. */
const MARKER = "198.19.255.255";
/** `[2026-01-31T12:00:00.123456] ` begins each of them. */
const NOTICE_START = /^(?=\[[0-9]+-[0-9]+-[0-9]+T)/m;
const NOTICE = /^\[([^\]]+)\] ?(.*)/s;

/**
 * Listens to `route`, and to further `objects` of `ip monitor`, such as `link`, in the host's namespace; resolves when
 * nothing is missed any more.
 */
export async function monitorKernel(host: LabHost, objects: readonly string[] = []): Promise<Monitor> {
  const monitor = collect(host, ["ip", "-o", "-4", "-tshort", "monitor", "route", ...objects]);
  await eventually(async () => {
    await host.namespace.ip([`route add blackhole ${MARKER}`, `route del blackhole ${MARKER}`]);
    return monitor.output().includes(`Deleted blackhole ${MARKER}`);
  });
  return {
    async stop() {
      // The last sign comes after all that was told before.
      const signs = countOf(monitor.output(), MARKER);
      await host.namespace.ip([`route add blackhole ${MARKER}`, `route del blackhole ${MARKER}`]);
      await eventually(() => countOf(monitor.output(), MARKER) >= signs + 2);
      await monitor.stop();
      return parseNotices(monitor.output()).filter(({ text }) => !text.includes(MARKER));
    },
  };
}

/** Listens to changes of nftables in the host's namespace, iptables-nft's too, in the same way. */
export async function monitorFirewall(host: LabHost): Promise<{ stop(): Promise<string[]> }> {
  const monitor = collect(host, ["nft", "monitor"]);
  const sign = async (name: string): Promise<void> => {
    const apply = async (verb: string): Promise<string> =>
      await host.execChecked(["nft", verb, "table", "ip", name]);
    await eventually(async () => {
      await apply("add");
      await apply("delete");
      return monitor.output().includes(`delete table ip ${name}`);
    });
  };
  await sign("sign-of-start");
  return {
    async stop() {
      await sign("sign-of-end");
      await monitor.stop();
      // A line `# new generation` ends each transaction, the signs' own too.
      return monitor
        .output()
        .split("\n")
        .filter((line) => line !== "" && !line.includes("sign-of-") && !line.startsWith("# new generation"));
    },
  };
}

function collect(
  host: LabHost,
  argv: readonly string[],
): { output: () => string; stop: () => Promise<void> } {
  const child = host.start(argv, { stdio: ["ignore", "pipe", "inherit"], env: { TZ: "UTC" } });
  const exited = once(child, "exit");
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (output += text));
  return {
    output: () => output,
    async stop() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

function countOf(text: string, part: string): number {
  return text.split(part).length - 1;
}

function parseNotices(output: string): Notice[] {
  return output.split(NOTICE_START).flatMap((block) => {
    const [, time, text] = NOTICE.exec(block) ?? [];
    if (time === undefined || text === undefined) return [];
    return [{ atMs: Date.parse(`${time}Z`), text: text.trimEnd() }];
  });
}
