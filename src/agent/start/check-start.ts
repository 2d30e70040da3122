import pino from "pino";
import type { Logger } from "pino";
import { createIpCommand } from "../../kernel/ip-command.ts";
import type { Clock } from "../../net/clock.ts";
import { openEtcdRegistry } from "../../subnet-lease/etcd/etcd-registry.ts";
import type { Registry } from "../../subnet-lease/registry.ts";
import { readNetworkConfig } from "../../subnet-lease/wait-for-config.ts";
import type { AgentOptions } from "../options/agent-options.ts";
import { backendFor } from "../overlay/backend-for.ts";
import { systemClock } from "../process/system-clock.ts";
import { decideStart } from "./cached-start.ts";
import { readStartPlan } from "./start-plan.ts";
import type { StartPlan } from "./start-plan.ts";

export interface CheckDeps {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Logger;
}

/** `twill agent --check`: resolves with the text to print. @throws {OverlayError} what a start would fail with */
export async function checkAgent(options: AgentOptions): Promise<string> {
  const signal = new AbortController().signal;
  const log = pino({ level: "silent" }); // what is wrong is the command's error
  const plan = await readStartPlan(options, createIpCommand(), signal);
  const registry = openEtcdRegistry(plan.etcd, { clock: systemClock, random: Math.random.bind(Math), log });
  try {
    return await checkStart(plan, { registry, clock: systemClock, log }, signal);
  } finally {
    await registry.close();
  }
}

/**
 * Reads the network config once and makes the backend, which changes nothing, and resolves with
 * what a start would run.
 * @throws {OverlayError} what a start would fail with, or wait for
 */
export async function checkStart(plan: StartPlan, deps: CheckDeps, signal: AbortSignal): Promise<string> {
  const { options, underlay } = plan;
  const config = await readNetworkConfig(deps.registry, options.etcdPrefix, signal);
  const backend = await backendFor(config, plan, deps.log);
  const start = decideStart(plan.cache, options.etcdPrefix, deps.clock.wallMs());
  return formatFacts({
    "node id": plan.nodeId ?? "made at the first start",
    etcd: `${plan.etcd.endpoints.join(", ")}, keys under ${options.etcdPrefix}`,
    network: `${config.network.toString()} in subnets of /${config.subnetLength}`,
    "subnet to ask for": plan.previousSubnet?.toString() ?? "the one etcd has for this node, or a free one",
    underlay: `${underlay.interfaceName} ${underlay.interfaceIp.toString()}, MTU ${underlay.underlayMtu}`,
    "announced address": underlay.publicIp.toString(),
    backend: `${backend.type}, overlay MTU ${underlay.underlayMtu - backend.overheadBytes}`,
    "subnet file": options.subnetFile,
    health:
      options.healthzPort > 0 ? `http://${options.healthzIp}:${options.healthzPort}` : "local socket only",
    "saved state":
      start.kind === "cached" ? `forwards for ${start.subnet.toString()} at once` : "asks etcd first",
  });
}

function formatFacts(facts: Readonly<Record<string, string>>): string {
  const width = Math.max(...Object.keys(facts).map((name) => name.length));
  const lines = Object.entries(facts).map(([name, value]) => `${name.padEnd(width)}  ${value}\n`);
  return lines.join("");
}
