/** What is written down of a pod, so that later commands find it. */
import type { ProcessIdentity } from "../files/process-identity.ts";
import { Ipv4Address } from "../net/ipv4.ts";
import { parseJson } from "./cni-answer.ts";
import { isCniConfig } from "./cni-config.ts";
import type { CniConfig } from "./cni-config.ts";
import { isMark } from "./netns-mark.ts";
import { isPodName } from "./pod-name.ts";

/** A pod as it was started. */
export interface PodRecord {
  readonly name: string;
  /** The process that the pod's network namespace was made for. */
  readonly process: ProcessIdentity;
  /** Null in a record of a twill that did not write it down. */
  readonly netns: NetnsIdentity | null;
  readonly command: readonly string[];
  /** What the pod is attached with, and so detached with. */
  readonly cniConfig: CniConfig;
  /** Null until the plugin has answered. */
  readonly attachment: PodAttachment | null;
}

/** The pod's namespace, told so that it is found without the process, and none that came later is taken for it. */
export interface NetnsIdentity {
  /** See netns-number.ts: quick to look for; another namespace may have it once the pod's is gone. */
  readonly number: number;
  /** See netns-mark.ts: no other namespace ever has it. */
  readonly mark: string;
}

/** What the plugin gave the pod. */
export interface PodAttachment {
  readonly address: string;
  /** The plugin's whole result: it wants that back when the pod is detached. */
  readonly result: unknown;
}

/** What removing a pod needs to know of it; of a damaged record, that which can still be read. */
export interface PodTraces extends Pick<PodRecord, "name" | "netns" | "attachment"> {
  readonly process: ProcessIdentity | null;
  readonly cniConfig: CniConfig | null;
}

/** The record as text. */
export function formatPodRecord(record: PodRecord): string {
  return `${JSON.stringify(record, null, 2)}\n`;
}

/** Reads a record of the pod with this name, or gives null: its pid is signalled, so nothing in it is taken on trust. */
export function parsePodRecord(text: string, name: string): PodRecord | null {
  const value = membersOf(text);
  if (!isPodName(name) || value.name !== name) return null;
  const { process, netns = null, command, cniConfig, attachment } = value;
  if (!isIdentity(process) || !isTexts(command) || !isCniConfig(cniConfig)) return null;
  if (netns !== null && !isNetns(netns)) return null;
  if (attachment !== null && !isAttachment(attachment)) return null;
  return { name, process, netns, command, cniConfig, attachment };
}

/** What a text that is no record of this pod still tells of it. That of another pod tells nothing. */
export function salvagePodRecord(text: string, name: string): PodTraces {
  const members = membersOf(text);
  const { process, netns, cniConfig, attachment } = members.name === name ? members : {};
  return {
    name,
    process: isIdentity(process) ? process : null,
    netns: isNetns(netns) ? netns : null,
    cniConfig: isCniConfig(cniConfig) ? cniConfig : null,
    attachment: isAttachment(attachment) ? attachment : null,
  };
}

function membersOf(text: string): Readonly<Record<string, unknown>> {
  const value = parseJson(text);
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function isIdentity(value: unknown): value is ProcessIdentity {
  const { pid, startTicks } = (value ?? {}) as Partial<ProcessIdentity>;
  return isNumber(pid) && pid > 1 && typeof startTicks === "string" && /^[0-9]+$/.test(startTicks);
}

function isNetns(value: unknown): value is NetnsIdentity {
  const { number, mark } = (value ?? {}) as Partial<NetnsIdentity>;
  return isNumber(number) && isMark(mark);
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

function isAttachment(value: unknown): value is PodAttachment {
  const { address } = (value ?? {}) as Partial<PodAttachment>;
  return typeof address === "string" && Ipv4Address.parse(address) !== null;
}
