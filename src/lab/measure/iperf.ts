/** TCP through the overlay: iperf3 as server and as client. */
import { OverlayError } from "../../net/overlay-error.ts";
import { eventually } from "../eventually.ts";
import type { Namespace } from "../machine/namespace.ts";
import { commandFailed } from "../machine/run-command.ts";

/** A waiting iperf3. */
export interface IperfServer {
  readonly port: number;
  /** Ends it; resolves when it is gone. */
  stop(): Promise<void>;
}

/** What a client does. */
export interface IperfOptions {
  /** Default 1. */
  readonly seconds?: number;
  readonly port?: number;
  /** TCP connections at once. Default 1. */
  readonly streams?: number;
  /** The server sends instead. */
  readonly isReverse?: boolean;
  readonly signal?: AbortSignal;
}

/** What arrived. */
export interface IperfResult {
  readonly receivedBytes: number;
  readonly bitsPerSecond: number;
  readonly retransmits: number;
}

/** iperf3's own, for control and data. */
export const IPERF_PORT = 5201;
const DEFAULT_SECONDS = 1;
const START_TIMEOUT_MS = 5_000;
const SPARE_MS = 20_000;

/** Starts a server and waits until it listens. @throws {OverlayError} `ERR_LAB_FAILED` */
export async function startIperfServer(namespace: Namespace, port = IPERF_PORT): Promise<IperfServer> {
  const child = namespace.start(["iperf3", "--server", "--port", `${port}`], { stdio: "ignore" });
  const gone = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("exit", () => resolve());
  });
  await eventually(() => listensOn(namespace, port), {
    what: `start an iperf3 server in ${namespace.name}`,
    timeoutMs: START_TIMEOUT_MS,
    giveUp: () =>
      child.exitCode === null && child.pid !== undefined
        ? null
        : new OverlayError(
            "ERR_LAB_FAILED",
            `Cannot start an iperf3 server in ${namespace.name}: it has ended`,
          ),
  });
  return {
    port,
    async stop() {
      child.kill("SIGKILL");
      await gone;
    },
  };
}

/** Runs a client to its end. @throws {OverlayError} `ERR_LAB_FAILED` when it could not finish */
export async function runIperf(
  namespace: Namespace,
  target: string,
  options: IperfOptions = {},
): Promise<IperfResult> {
  const seconds = options.seconds ?? DEFAULT_SECONDS;
  const argv = [
    "iperf3",
    "--client",
    target,
    "--port",
    `${options.port ?? IPERF_PORT}`,
    "--time",
    `${seconds}`,
    "--parallel",
    `${options.streams ?? 1}`,
  ];
  argv.push("--json", ...(options.isReverse === true ? ["--reverse"] : []));
  const result = await namespace.exec(argv, { timeoutMs: seconds * 1000 + SPARE_MS, signal: options.signal });
  const measured = parseIperfOutput(result.stdout);
  if (result.code !== 0 || measured === null) throw commandFailed(argv, result);
  return measured;
}

/** Reads what `iperf3 --json` prints, or gives null when it did not finish. */
export function parseIperfOutput(json: string): IperfResult | null {
  let output: { end?: { sum_received?: Record<string, unknown>; sum_sent?: Record<string, unknown> } };
  try {
    output = JSON.parse(json) as typeof output;
  } catch {
    return null;
  }
  const receivedBytes = output.end?.sum_received?.bytes;
  const bitsPerSecond = output.end?.sum_received?.bits_per_second;
  const retransmits = output.end?.sum_sent?.retransmits;
  if (typeof receivedBytes !== "number" || typeof bitsPerSecond !== "number") return null;
  return { receivedBytes, bitsPerSecond, retransmits: typeof retransmits === "number" ? retransmits : 0 };
}

/** Looks into the namespace's list of TCP sockets: a connection would count as a client. */
async function listensOn(namespace: Namespace, port: number): Promise<boolean> {
  const sockets = await namespace.execChecked(["ss", "-Hltn", `sport = :${port}`]);
  return sockets.trim() !== "";
}
