/** Everything that a start reads before it changes anything. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Underlay } from "../../backends/backend.ts";
import { readAddresses } from "../../kernel/addresses.ts";
import type { IpCommand } from "../../kernel/ip-command.ts";
import { readLinks } from "../../kernel/links.ts";
import { readDefaultRoutes, routeTo } from "../../kernel/routes.ts";
import { Ipv4Prefix } from "../../net/ipv4.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { loadPeerCache } from "../../peers/peer-cache.ts";
import type { LoadedCache } from "../../peers/peer-cache.ts";
import type { EtcdOptions } from "../../subnet-lease/etcd/etcd-options.ts";
import { readNodeId } from "../files/node-id.ts";
import { parsePreviousSubnet } from "../../files/subnet-file.ts";
import type { AgentOptions } from "../options/agent-options.ts";
import { chooseUnderlay, keepUnderlay } from "./choose-underlay.ts";
import type { UnderlayFacts } from "./choose-underlay.ts";
import { readEtcdOptions } from "./read-etcd-options.ts";

/** The underlay as the kernel's state at one moment has it. */
export interface UnderlayView {
  readonly underlay: Underlay;
  /** Selectors that did not fit, one line each. */
  readonly rejectedInterfaces: readonly string[];
  /** Networks that the underlay interface reaches directly. */
  readonly underlayPrefixes: readonly Ipv4Prefix[];
}

export interface StartPlan extends UnderlayView {
  readonly options: AgentOptions;
  /** Null on a node that never ran. */
  readonly nodeId: string | null;
  readonly etcd: EtcdOptions;
  /** From the subnet file, or null. */
  readonly previousSubnet: Ipv4Prefix | null;
  readonly cache: LoadedCache;
}

/** Where the last known peers are kept. */
export function peerCachePath(options: Pick<AgentOptions, "stateDir">): string {
  return join(options.stateDir, "peers.json");
}

/** Reads files and network facts; changes nothing. @throws {OverlayError} what makes a start impossible */
export async function readStartPlan(
  options: AgentOptions,
  ip: IpCommand,
  signal: AbortSignal,
): Promise<StartPlan> {
  const [nodeId, etcd, view, previousSubnet, cache] = await Promise.all([
    readNodeId(options.stateDir),
    readEtcdOptions(options),
    readUnderlay(options, null, ip, signal),
    readPreviousSubnet(options.subnetFile),
    loadPeerCache(peerCachePath(options)),
  ]);
  return { ...view, options, nodeId, etcd, previousSubnet, cache };
}

/**
 * Reads the kernel's state and chooses the underlay.
 * @param current the one in use, which is kept as long as its interface has its address
 * @throws {OverlayError} `ERR_INTERFACE_MISSING`, `ERR_KERNEL_FAILED`
 */
export async function readUnderlay(
  options: AgentOptions,
  current: Underlay | null,
  ip: IpCommand,
  signal: AbortSignal,
): Promise<UnderlayView> {
  const facts = await readFacts(options, ip, signal);
  const { underlay, rejected } = keepUnderlay(current, facts) ?? chooseUnderlay(options, facts);
  const underlayPrefixes = facts.addresses
    .filter((one) => one.interfaceIndex === underlay.interfaceIndex)
    .map((one) => Ipv4Prefix.containing(one.address, one.prefixLength));
  return { underlay, rejectedInterfaces: rejected, underlayPrefixes };
}

async function readFacts(options: AgentOptions, ip: IpCommand, signal: AbortSignal): Promise<UnderlayFacts> {
  const target = options.ifaceCanReach;
  const [links, addresses, defaultRoutes, wayToReach] = await Promise.all([
    readLinks(ip, signal),
    readAddresses(ip, signal),
    readDefaultRoutes(ip, signal),
    target === null ? null : routeTo(ip, target, signal).catch(noWay),
  ]);
  return { links, addresses, defaultRoutes, wayToReach };
}

/** No route is an answer; other selectors may fit. */
function noWay(err: unknown): null {
  if (err instanceof OverlayError) return null;
  throw err;
}

/** A file that cannot be read counts as none: what is in etcd decides. */
async function readPreviousSubnet(path: string): Promise<Ipv4Prefix | null> {
  const text = await readFile(path, "utf8").catch(() => null);
  return text === null ? null : parsePreviousSubnet(text);
}
