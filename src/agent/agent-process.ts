/** The daemon, in the order in which it starts. */
import type { Logger } from "pino";
import { createIpCommand } from "../kernel/ip-command.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { openEtcdRegistry } from "../subnet-lease/etcd/etcd-registry.ts";
import { AgentNode } from "./agent-node.ts";
import type { AgentNodeDeps } from "./agent-node.ts";
import type { AgentConfig } from "./config.ts";
import { ensureNodeId } from "./files/node-id.ts";
import { acquireInstanceLock } from "./files/single-instance.ts";
import { serveHealthOnPort, serveHealthOnSocket } from "./health/health-server.ts";
import { agentSocketPath } from "./options/agent-socket.ts";
import { describeOptions } from "./options/check-options.ts";
import { createFirewallKeepers } from "./overlay/firewall-keepers.ts";
import { closeAll } from "../process/close-all.ts";
import type { Closable } from "../process/close-all.ts";
import { endProcess } from "../process/end-process.ts";
import { hardenProcess } from "./process/harden-process.ts";
import { createLogger } from "../process/logger.ts";
import { abortOnStopSignals, exitOnFaults } from "../process/stop-signals.ts";
import { Supervisor } from "./process/supervisor.ts";
import { systemClock } from "./process/system-clock.ts";
import { systemdNotifier } from "./process/systemd.ts";
import { warnWithoutIpForwarding } from "./start/ip-forwarding.ts";
import { readStartPlan } from "./start/start-plan.ts";

const EXIT_OK = 0;
const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

/** Runs the agent to its end and resolves with the exit status. Errors are logged. */
export async function agentProcess(config: AgentConfig, version: string): Promise<number> {
  const { options } = config;
  const log = createLogger(options.verbosity > 0 ? "debug" : options.logLevel);
  const supervisor = new Supervisor(systemdNotifier(config.notifySocket), log);
  exitOnFaults(log);
  const signal = abortOnStopSignals(log, () => supervisor.onStop());
  const status = await runToTheEnd(config, version, { log, supervisor, signal });
  endProcess(status, log);
  return status;
}

async function runToTheEnd(config: AgentConfig, version: string, parts: ProcessParts): Promise<number> {
  try {
    await runAgent(config, version, parts);
  } catch (err) {
    if (!parts.signal.aborted) return reportEnd(err, parts.log);
  }
  parts.log.info("Stopped");
  return EXIT_OK;
}

interface ProcessParts {
  readonly log: Logger;
  readonly supervisor: Supervisor;
  readonly signal: AbortSignal;
}

async function runAgent(config: AgentConfig, version: string, parts: ProcessParts): Promise<void> {
  const { options } = config;
  const { log, supervisor, signal } = parts;
  hardenProcess();
  log.info({ version, pid: process.pid, options: describeOptions(options) }, "Starting");
  if (config.unknownVariables.length > 0)
    log.warn(
      { variables: config.unknownVariables },
      "Variables are no options of the agent, they have no effect",
    );
  await warnWithoutIpForwarding(log);
  const ip = createIpCommand();
  const plan = await readStartPlan(options, ip, signal);
  for (const reason of plan.rejectedInterfaces) log.info({ reason }, "Underlay interface not chosen");
  const { interfaceName, interfaceIp, publicIp, underlayMtu } = plan.underlay;
  log.info({ interfaceName, interfaceIp, publicIp, underlayMtu }, "Underlay chosen");
  const random = Math.random.bind(Math);
  const deps = { clock: systemClock, random, log };
  const registry = openEtcdRegistry(plan.etcd, deps);

  // ---- Above this line nothing touches the machine; `--check` (start/check-start.ts) goes no further. ----

  const opened: Closable[] = [registry];
  try {
    const lock = acquireInstanceLock(options.runDir);
    opened.unshift({ close: () => lock.release() }); // the last to go
    const nodeId = await ensureNodeId(options.stateDir);
    const onReadiness = (reason: string | null): void => supervisor.onReadiness(reason);
    const firewallKeepers: AgentNodeDeps["firewallKeepers"] = (network, former) =>
      createFirewallKeepers(network, former, log);
    const node = new AgentNode({
      ...deps,
      version,
      plan,
      ip,
      nodeId,
      registry,
      firewallKeepers,
      onReadiness,
    });
    if (options.healthzPort > 0) {
      opened.push(await serveHealthOnPort(options.healthzIp, options.healthzPort, node));
    }
    opened.push(await serveHealthOnSocket(agentSocketPath(options.runDir), node));
    if (config.watchdogMs !== null) supervisor.startWatchdog(config.watchdogMs);
    await node.run(signal);
  } finally {
    await closeAll(opened.reverse(), log);
  }
}

/** The one line about what ended the agent, and the status that goes with it. */
function reportEnd(err: unknown, log: Logger): number {
  const code = err instanceof OverlayError ? err.code : null;
  if (code === "ERR_SUBNET_TAKEN") {
    log.error({ err }, "Subnet lost, exiting as --on-lease-lost=exit asks");
    return EXIT_OK; // as flannel
  }
  log.fatal({ err }, "Cannot run the agent");
  return code === "ERR_OPTION_INVALID" ? EXIT_USAGE : EXIT_FAILURE;
}
