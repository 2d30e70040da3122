import pino from "pino";
import type { Logger } from "pino";
import type { Backend } from "../../backends/backend.ts";
import { createIpCommand } from "../../kernel/ip-command.ts";
import type { Clock } from "../../net/clock.ts";
import { openEtcdRegistry } from "../../subnet-lease/etcd/etcd-registry.ts";
import { isSameConfig } from "../../subnet-lease/config-differences.ts";
import type { NetworkConfig } from "../../subnet-lease/network-config.ts";
import { isInRange } from "../../subnet-lease/plan-acquisition.ts";
import type { Registry } from "../../subnet-lease/registry.ts";
import { readNetworkConfig } from "../../subnet-lease/wait-for-config.ts";
import type { AgentConfig } from "../config.ts";
import { backendFor } from "../overlay/backend-for.ts";
import { systemClock } from "../process/system-clock.ts";
import { decideStart } from "./cached-start.ts";
import type { StartDecision } from "./cached-start.ts";
import { readIpForwarding } from "./ip-forwarding.ts";
import { readStartPlan } from "./start-plan.ts";
import type { StartPlan } from "./start-plan.ts";
import { assertPrivileges, readPrivileges } from "./start-privileges.ts";

export interface CheckDeps {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Logger;
  /** As `AgentConfig` has them. */
  readonly unknownVariables: readonly string[];
  /** Null when it is not known. */
  readonly isIpForwarding: boolean | null;
}

/**
 * `twill agent --check`: `print` takes the plan. What this process may not do is told after it, for who asks may be
 * another user than the one who is to start it.
 * @throws {OverlayError} what a start would fail with
 */
export async function checkAgent(
  { options, unknownVariables }: AgentConfig,
  print: (text: string) => void,
): Promise<void> {
  const signal = new AbortController().signal;
  const log = pino({ level: "silent" }); // what is wrong is the command's error
  const plan = await readStartPlan(options, createIpCommand(), signal);
  const registry = openEtcdRegistry(plan.etcd, { clock: systemClock, random: Math.random.bind(Math), log });
  try {
    const isIpForwarding = await readIpForwarding();
    const deps = { registry, clock: systemClock, log, unknownVariables, isIpForwarding };
    const { text, backend } = await checkStart(plan, deps, signal);
    print(text);
    assertPrivileges(backend, await readPrivileges());
  } finally {
    await registry.close();
  }
}

/**
 * Reads the network config once and makes the backend, which changes nothing, and resolves with
 * both that and the text about what a start would run.
 * @throws {OverlayError} what a start would fail with, or wait for
 */
export async function checkStart(
  plan: StartPlan,
  deps: CheckDeps,
  signal: AbortSignal,
): Promise<{ text: string; backend: Backend }> {
  const { options, underlay } = plan;
  const { clock, unknownVariables, isIpForwarding } = deps;
  const config = await readNetworkConfig(deps.registry, options.etcdPrefix, signal);
  const past = { nodeId: plan.nodeId ?? "", formerNetwork: null };
  const backend = await backendFor(config, plan, past, deps.log);
  const text = formatFacts({
    "node id": plan.nodeId ?? "made at the first start",
    etcd: `${plan.etcd.endpoints.join(", ")}, keys under ${options.etcdPrefix}`,
    network: `${config.network.toString()} in subnets of /${config.subnetLength}`,
    "subnet to ask for": describeWish(plan, config),
    underlay: `${underlay.interfaceName} ${underlay.interfaceIp.toString()}, MTU ${underlay.underlayMtu}`,
    "announced address": underlay.publicIp.toString(),
    backend: `${backend.type}, overlay MTU ${backend.overlayMtu}`,
    ...(backend.engineName === null ? {} : { "packet engine": backend.engineName }),
    "subnet file": options.subnetFile,
    health:
      options.healthzPort > 0 ? `http://${options.healthzIp}:${options.healthzPort}` : "local socket only",
    "saved state": describeSavedState(decideStart(plan.cache, options.etcdPrefix, clock.wallMs()), config),
    ...(isIpForwarding === false
      ? { forwarding: "net.ipv4.ip_forward is 0, containers will not reach other hosts" }
      : {}),
    ...(unknownVariables.length > 0 ? { "not known": unknownVariables.join("; ") } : {}),
  });
  return { text, backend };
}

/** What the agent would have, if etcd has no lease of this node. */
function describeWish({ previousSubnet, cache }: StartPlan, config: NetworkConfig): string {
  const wish = previousSubnet ?? cache.state?.ownLease?.subnet ?? null;
  if (wish !== null && isInRange(wish, config)) return wish.toString();
  const other = "the one etcd has for this node, or a free one";
  return wish === null ? other : `${other}; not ${wish.toString()}, which is no subnet of the network`;
}

function describeSavedState(start: StartDecision, config: NetworkConfig): string {
  if (start.kind === "cold") return "asks etcd first";
  const subnet = start.subnet.toString();
  return isSameConfig(start.config, config)
    ? `forwards for ${subnet} at once`
    : `forwards for ${subnet} until etcd answers, then starts anew: the network config has changed`;
}

function formatFacts(facts: Readonly<Record<string, string>>): string {
  const width = Math.max(...Object.keys(facts).map((name) => name.length));
  const lines = Object.entries(facts).map(([name, value]) => `${name.padEnd(width)}  ${value}\n`);
  return lines.join("");
}
