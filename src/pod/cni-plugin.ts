/** Attaching and detaching a pod by a CNI plugin. */
import { callPlugin, deadlineAfter } from "../cni/call/call-plugin.ts";
import { findPlugin } from "../cni/call/find-plugin.ts";
import { DELEGATES_DEADLINE_MS } from "../cni/run-delegate.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { failureIn, parseJson } from "./cni-answer.ts";
import type { CniConfig } from "./cni-config.ts";

/** The CNI plugins of this host. */
export interface CniPlugins {
  /** Directories that they are looked for in, the first first. */
  readonly path: readonly string[];
  /** What they run with beside the variables of the specification, for their PATH. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** One pod, as plugins are told of it. */
export interface CniTarget {
  readonly containerId: string;
  /** Path of the network namespace; empty when it is gone, which only DEL takes. */
  readonly netnsPath: string;
  readonly plugins: CniPlugins;
}

/** The pod's device in its namespace. */
const DEVICE = "eth0";
/** For twill-cni to start, to keep its files and to tell, on a busy machine. */
const BESIDES_DELEGATES_MS = 15_000;
/**
 * The lock of all pods is held meanwhile. Longer than twill-cni gives its delegates, which are in a group of their own:
 * it is to end them itself, and to say so.
 */
export const PLUGIN_DEADLINE_MS = DELEGATES_DEADLINE_MS + BESIDES_DELEGATES_MS;

/** Attaches the pod; resolves with the plugin's result. @throws {OverlayError} `ERR_POD_FAILED` */
export async function addToNetwork(
  config: CniConfig,
  target: CniTarget,
  deadlineMs = PLUGIN_DEADLINE_MS,
): Promise<unknown> {
  return parseJson(await runPlugin("ADD", config, target, deadlineMs));
}

/**
 * Detaches the pod, which may have been detached before.
 * @param result - what ADD gave, or null when it is not known
 * @throws {OverlayError} `ERR_POD_FAILED`
 */
export async function deleteFromNetwork(
  config: CniConfig,
  target: CniTarget,
  result: unknown,
  deadlineMs = PLUGIN_DEADLINE_MS,
): Promise<void> {
  await runPlugin("DEL", result === null ? config : { ...config, prevResult: result }, target, deadlineMs);
}

async function runPlugin(
  command: string,
  config: CniConfig,
  target: CniTarget,
  deadlineMs: number,
): Promise<string> {
  const path = requirePlugin(config.type, target.plugins.path);
  const env = { ...target.plugins.environment, ...variables(command, target) };
  const answer = await callPlugin({ path, env, log: "pipe" }, config, deadlineAfter(deadlineMs));
  if (answer.failure === null) return answer.stdout;
  const log = answer.log.trim();
  const words = log === "" ? answer.failure : `${answer.failure}: ${log}`;
  const reason = failureIn(answer.stdout, words) ?? words;
  throw new OverlayError("ERR_POD_FAILED", `the CNI plugin ${config.type} failed to ${command}: ${reason}`);
}

function variables(
  command: string,
  { containerId, netnsPath, plugins }: CniTarget,
): Readonly<Record<string, string>> {
  return {
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netnsPath,
    CNI_IFNAME: DEVICE,
    CNI_PATH: plugins.path.join(":"),
  };
}

function requirePlugin(type: string, path: CniPlugins["path"]): string {
  const found = findPlugin(type, path);
  if (found !== null) return found;
  throw new OverlayError(
    "ERR_POD_FAILED",
    `there is no CNI plugin ${type} in ${path.join(":")}; install it there, or give --cni-path`,
  );
}
