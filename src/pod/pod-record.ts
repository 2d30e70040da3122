/** What is written down of a pod, so that later commands find it. */
import type { ProcessIdentity } from "../files/process-identity.ts";
import { Ipv4Address } from "../net/ipv4.ts";
import { parseJson } from "./cni-answer.ts";
import { isCniConfig } from "./cni-config.ts";
import type { CniConfig } from "./cni-config.ts";
import { isPodName } from "./pod-name.ts";

export interface PodRecord {
  readonly name: string;
  /** The process whose network namespace the pod is. */
  readonly process: ProcessIdentity;
  readonly command: readonly string[];
  /** What the pod is attached with, and so detached with. */
  readonly cniConfig: CniConfig;
  /** Null until the plugin has answered. */
  readonly attachment: PodAttachment | null;
}

/** What the plugin gave the pod. */
export interface PodAttachment {
  readonly address: string;
  /** The plugin's whole result: it wants that back when the pod is detached. */
  readonly result: unknown;
}

/** The record as text. */
export function formatPodRecord(record: PodRecord): string {
  return `${JSON.stringify(record, null, 2)}\n`;
}

/** Reads a record of the pod with this name, or gives null: its pid is signalled, so nothing in it is taken on trust. */
export function parsePodRecord(text: string, name: string): PodRecord | null {
  const value = parseJson(text) as Partial<PodRecord> | null;
  if (typeof value !== "object" || value === null || !isPodName(name) || value.name !== name) return null;
  const { process, command, cniConfig, attachment } = value;
  if (!isIdentity(process) || !isTexts(command) || !isCniConfig(cniConfig)) return null;
  if (attachment !== null && !isAttachment(attachment)) return null;
  return { name, process, command, cniConfig, attachment };
}

function isIdentity(value: unknown): value is ProcessIdentity {
  const { pid, startTicks } = (value ?? {}) as Partial<ProcessIdentity>;
  return Number.isInteger(pid) && Number(pid) > 1 && /^[0-9]+$/.test(String(startTicks));
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

function isAttachment(value: unknown): value is PodAttachment {
  const { address } = (value ?? {}) as Partial<PodAttachment>;
  return typeof address === "string" && Ipv4Address.parse(address) !== null;
}
