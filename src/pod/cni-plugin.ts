/** Calling a CNI plugin: an executable that is told what to do by variables and its standard input. */
import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { OverlayError } from "../net/overlay-error.ts";
import { failureIn, parseJson } from "./cni-answer.ts";
import type { CniConfig } from "./cni-config.ts";
import { collectOutput } from "./collect-output.ts";

/** One pod, as plugins are told of it. */
export interface CniTarget {
  readonly containerId: string;
  /** Path of the network namespace; empty when it is gone, which only DEL takes. */
  readonly netnsPath: string;
  /** Directories that plugins are looked for in, the first first. */
  readonly pluginPath: readonly string[];
}

/** The pod's device in its namespace. */
const DEVICE = "eth0";
/** A plugin answers in a tenth of a second; one that waits for a lock of others may take some. */
const PLUGIN_DEADLINE_MS = 30_000;

/** Attaches the pod; resolves with the plugin's result. @throws {OverlayError} `ERR_POD_FAILED` */
export async function addToNetwork(config: CniConfig, target: CniTarget): Promise<unknown> {
  const stdout = await callPlugin("ADD", config, target);
  return parseJson(stdout);
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
): Promise<void> {
  await callPlugin("DEL", result === null ? config : { ...config, prevResult: result }, target);
}

async function callPlugin(command: string, config: CniConfig, target: CniTarget): Promise<string> {
  const plugin = await findPlugin(config.type, target.pluginPath);
  // `env` adds to our own environment, which plugins need for their PATH.
  const child = spawn("env", [...variables(command, target), plugin], { stdio: ["pipe", "pipe", "pipe"] });
  const [stdout, stderr] = [collectOutput(child.stdout), collectOutput(child.stderr)];
  child.stdin.on("error", () => undefined); // it may fail without reading all: its answer tells
  child.stdin.end(JSON.stringify(config));
  const deadline = setTimeout(() => child.kill("SIGKILL"), PLUGIN_DEADLINE_MS);
  const end = await new Promise<number | string>((resolve) => {
    child.once("error", (err) => resolve(err.message));
    child.once("close", (code, signal) => resolve(code ?? `killed by ${signal ?? "a signal"}`));
  });
  clearTimeout(deadline);
  if (end === 0) return stdout();
  const reason = failureIn(stdout(), stderr()) ?? (typeof end === "number" ? `exit code ${end}` : end);
  throw new OverlayError("ERR_POD_FAILED", `the CNI plugin ${config.type} failed to ${command}: ${reason}`);
}

function variables(command: string, { containerId, netnsPath, pluginPath }: CniTarget): string[] {
  return [
    `CNI_COMMAND=${command}`,
    `CNI_CONTAINERID=${containerId}`,
    `CNI_NETNS=${netnsPath}`,
    `CNI_IFNAME=${DEVICE}`,
    `CNI_PATH=${pluginPath.join(":")}`,
  ];
}

async function findPlugin(type: string, pluginPath: readonly string[]): Promise<string> {
  for (const directory of pluginPath) {
    const path = join(directory, type);
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  throw new OverlayError(
    "ERR_POD_FAILED",
    `there is no CNI plugin ${type} in ${pluginPath.join(":")}; install it there, or give --cni-path`,
  );
}
