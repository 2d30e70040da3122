import type { ChildProcess } from "node:child_process";
import type { Namespace } from "../machine/namespace.ts";
import type { CommandResult, RunOptions, StartOptions } from "../machine/run-command.ts";
import { startIperfServer, runIperf } from "../measure/iperf.ts";
import type { IperfOptions, IperfResult, IperfServer } from "../measure/iperf.ts";
import type { PingCounts } from "../measure/ping-output.ts";
import { ping, startPing } from "../measure/ping.ts";
import type { PingOptions, PingProbeOptions, RunningPing } from "../measure/ping.ts";

/** What a host and a pod have in common: a namespace in which programs run and from which packets go out. */
export class LabNode {
  readonly name: string;
  readonly namespace: Namespace;

  constructor(name: string, namespace: Namespace) {
    this.name = name;
    this.namespace = namespace;
  }

  /** Runs a program here to its end, whatever its exit code. */
  async exec(argv: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
    return await this.namespace.exec(argv, options);
  }

  /** Runs a program here that must succeed; resolves with its output. @throws {OverlayError} `ERR_LAB_FAILED` */
  async execChecked(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    return await this.namespace.execChecked(argv, options);
  }

  /** Starts a program here without waiting for it; it ends with the lab at the latest. */
  start(argv: readonly string[], options: StartOptions): ChildProcess {
    return this.namespace.start(argv, options);
  }

  /** Pings `target` and counts exactly; 3 packets of 84 bytes, 10 ms apart, unless told otherwise. */
  async ping(target: string, options: PingOptions = {}): Promise<PingCounts> {
    return await ping(this.namespace, target, options);
  }

  /** Starts a ping that goes on until it is stopped. */
  startPing(target: string, options: PingProbeOptions = {}): RunningPing {
    return startPing(this.namespace, target, options);
  }

  /** Starts an iperf3 server that waits for clients on all addresses here. */
  async startIperfServer(port?: number): Promise<IperfServer> {
    return await startIperfServer(this.namespace, port);
  }

  /** Sends TCP to an iperf3 server and measures. */
  async iperf(target: string, options: IperfOptions = {}): Promise<IperfResult> {
    return await runIperf(this.namespace, target, options);
  }
}
