/** Reading a lab.json that may be of an earlier version, cut off, or changed by hand. */
import type { ProcessIdentity } from "../../files/process-identity.ts";
import { labBackendOf } from "./lab-backend.ts";
import type { LabBackend } from "./lab-backend.ts";
import { LAB_OWNERS, RECORD_VERSION } from "./lab-record.ts";
import type { HostRecord, LabRecord } from "./lab-record.ts";
import { checkLabName, isNamespaceOf } from "./names.ts";

/** Reads the text of a lab.json, or gives null when anything about it is off: it decides what is deleted. */
export function parseLabRecord(text: string): LabRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const upgraded = upgrade(value);
  return isLabRecord(upgraded) ? upgraded : null;
}

/** Fills in what version 1 did not say: then every lab was of udp, counted leaks, and its agents had the same flags. */
function upgrade(value: unknown): unknown {
  if (!isObject(value) || value.version !== 1 || !Array.isArray(value.hosts)) return value;
  const hosts = value.hosts.map((host: unknown) => (isObject(host) ? { ...host, agentFlags: [] } : host));
  return { ...value, version: RECORD_VERSION, backend: labBackendOf(), countsLeaks: true, hosts };
}

function isLabRecord(value: unknown): value is LabRecord {
  return (
    isObject(value) &&
    value.version === RECORD_VERSION &&
    isLabName(value.name) &&
    LAB_OWNERS.some((owner) => owner === value.owner) &&
    typeof value.token === "string" &&
    /^[0-9a-f-]{36}$/.test(value.token) &&
    isIdentity(value.maker) &&
    (value.stage === "making" || value.stage === "up") &&
    isListOf(
      value.namespaces,
      (name) => typeof name === "string" && isNamespaceOf(value.name as string, name),
    ) &&
    typeof value.network === "string" &&
    typeof value.underlayMtu === "number" &&
    isBackend(value.backend) &&
    typeof value.countsLeaks === "boolean" &&
    (value.etcd === null || isIdentity(value.etcd)) &&
    isListOf(value.hosts, isHostRecord)
  );
}

function isHostRecord(value: unknown): value is HostRecord {
  return (
    isObject(value) &&
    typeof value.name === "string" &&
    typeof value.subnetFile === "string" &&
    isListOf(value.agentFlags, (flag) => typeof flag === "string") &&
    (value.agent === null || isIdentity(value.agent)) &&
    isListOf(
      value.pods,
      (pod) => isObject(pod) && typeof pod.name === "string" && typeof pod.address === "string",
    )
  );
}

function isBackend(value: unknown): value is LabBackend {
  return (
    isObject(value) &&
    typeof value.type === "string" &&
    (value.deviceName === null || typeof value.deviceName === "string") &&
    typeof value.isInClear === "boolean"
  );
}

function isIdentity(value: unknown): value is ProcessIdentity {
  return (
    isObject(value) &&
    Number.isSafeInteger(value.pid) &&
    (value.pid as number) > 1 && // 0 and -1 would signal whole groups, 1 is init
    typeof value.startTicks === "string"
  );
}

function isLabName(value: unknown): value is string {
  if (typeof value !== "string") return false;
  try {
    checkLabName(value);
    return true;
  } catch {
    return false;
  }
}

function isListOf(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
