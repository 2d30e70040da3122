/** `twill docker-names` as a process, in the order in which it starts. */
import type { Logger } from "pino";
import type { Clock } from "../net/clock.ts";
import { closeAll } from "../process/close-all.ts";
import { createLogger } from "../process/logger.ts";
import type { LogLevel } from "../process/logger.ts";
import { runToEnd } from "../process/run-to-end.ts";
import { TaskGroup } from "../process/task-group.ts";
import type { EtcdOptions } from "../subnet-lease/etcd/etcd-options.ts";
import { openEtcdRegistry } from "../subnet-lease/etcd/etcd-registry.ts";
import { nextLease } from "./follow-lease.ts";
import { serveHost } from "./serve-host.ts";
import type { ServeHostOptions } from "./serve-host.ts";

export interface NamesProcessOptions extends Omit<ServeHostOptions, "registry" | "log" | "random" | "clock"> {
  readonly subnetFile: string;
  readonly logLevel: LogLevel;
}

/** What of the outside it uses. */
export interface NamesProcessDeps {
  readonly etcd: EtcdOptions;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Runs to the end and resolves with the exit status. Errors are logged. */
export async function namesProcess(
  options: NamesProcessOptions,
  deps: NamesProcessDeps,
  version: string,
): Promise<number> {
  const log = createLogger(options.logLevel);
  const facts = { version, ...options, etcdEndpoints: deps.etcd.endpoints };
  return await runToEnd(log, { options: facts, failure: "Cannot serve names" }, (signal) =>
    runNames(options, deps, log, signal),
  );
}

/** For each lease of this host, one after the other. */
async function runNames(
  options: NamesProcessOptions,
  { etcd, clock, random }: NamesProcessDeps,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const registry = openEtcdRegistry(etcd, { clock, random, log });
  const follow = { subnetFile: options.subnetFile, clock, log };
  try {
    let lease = await nextLease(follow, null, signal);
    while (!signal.aborted) {
      log.info({ subnet: lease.subnet, network: lease.network }, "Serving names of this host's subnet");
      const group = new TaskGroup(signal);
      serveHost({ ...options, registry, clock, random, log }, lease, group);
      group.start(async (groupSignal) => {
        lease = await nextLease(follow, lease, groupSignal);
        group.stop();
      });
      await group.ended();
    }
  } finally {
    await closeAll([registry], log);
  }
}
