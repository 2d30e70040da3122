/**
 * lab.json: what a lab made, written before it is made, so that whoever finds it can take it down. Nothing
 * that is not listed there is ever touched.
 */
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { OverlayError } from "../../net/overlay-error.ts";
import type { ProcessIdentity } from "../machine/process-identity.ts";
import { checkLabName, isNamespaceOf } from "./names.ts";

/** Who a lab is for. A user's stays until `twill lab down`; the others end with the process that made them. */
export type LabOwner = (typeof LAB_OWNERS)[number];

const LAB_OWNERS = ["user", "demo", "test", "bench"] as const;

/** One host of a lab, as recorded. */
export interface HostRecord {
  readonly name: string;
  readonly subnetFile: string;
  readonly agent: ProcessIdentity | null;
  /** In the order they were made; the first is `h1p1`. */
  readonly pods: readonly { readonly name: string; readonly address: string }[];
}

/** Content of lab.json. */
export interface LabRecord {
  readonly version: 1;
  readonly name: string;
  readonly owner: LabOwner;
  /** Value of {@link TOKEN_VARIABLE} in the environment of every process the lab starts. */
  readonly token: string;
  /** The process that made the lab: while it runs, the lab is not abandoned. */
  readonly maker: ProcessIdentity;
  /** `making` until everything stands. */
  readonly stage: "making" | "up";
  /** Namespaces made or about to be made. */
  readonly namespaces: readonly string[];
  readonly network: string;
  readonly underlayMtu: number;
  readonly etcd: ProcessIdentity | null;
  readonly hosts: readonly HostRecord[];
}

/** Environment variable by which a lab knows the processes it started, and their children. */
export const TOKEN_VARIABLE = "TWILL_LAB_TOKEN";

const RECORD_FILE = "lab.json";
/** What a lab writes is far shorter; a longer file is not ours. */
const MAX_RECORD_BYTES = 1_000_000;

/** Reads lab.json of the lab in `directory`, or gives null when there is none. @throws {OverlayError} `ERR_LAB_FAILED` when it is not ours */
export async function readLabRecord(directory: string): Promise<LabRecord | null> {
  const path = join(directory, RECORD_FILE);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (err) {
    if (err instanceof Error && "code" in err && (err.code === "ENOENT" || err.code === "ENOTDIR"))
      return null;
    throw new OverlayError("ERR_LAB_FAILED", `Cannot read ${path}: ${String(err)}`, {}, { cause: err });
  }
  const record = text.length > MAX_RECORD_BYTES ? null : parseLabRecord(text);
  if (record === null) {
    throw new OverlayError(
      "ERR_LAB_FAILED",
      `Cannot use ${path}: it is not the record of a lab, or was changed by hand`,
    );
  }
  return record;
}

/** Writes lab.json by rename: a reader sees the old or the new one, whole. */
export async function writeLabRecord(directory: string, record: LabRecord): Promise<void> {
  const draft = join(directory, `.${RECORD_FILE}.new`);
  await writeFile(draft, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o644 });
  await rename(draft, join(directory, RECORD_FILE));
}

/** Reads the text of a lab.json, or gives null when anything about it is off: it decides what is deleted. */
export function parseLabRecord(text: string): LabRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  return isLabRecord(value) ? value : null;
}

function isLabRecord(value: unknown): value is LabRecord {
  return (
    isObject(value) &&
    value.version === 1 &&
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
    (value.etcd === null || isIdentity(value.etcd)) &&
    isListOf(value.hosts, isHostRecord)
  );
}

function isHostRecord(value: unknown): value is HostRecord {
  return (
    isObject(value) &&
    typeof value.name === "string" &&
    typeof value.subnetFile === "string" &&
    (value.agent === null || isIdentity(value.agent)) &&
    isListOf(
      value.pods,
      (pod) => isObject(pod) && typeof pod.name === "string" && typeof pod.address === "string",
    )
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
