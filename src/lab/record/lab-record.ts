/**
 * lab.json: what a lab made, written before it is made, so that whoever finds it can take it down. Nothing
 * that is not listed there is ever touched.
 */
import type { ProcessIdentity } from "../../files/process-identity.ts";
import type { LabBackend } from "./lab-backend.ts";

/** Who a lab is for. A user's stays until `twill lab down`; the others end with the process that made them. */
export type LabOwner = (typeof LAB_OWNERS)[number];

/** Every kind of owner. */
export const LAB_OWNERS = ["user", "demo", "test", "bench"] as const;

/** One host of a lab, as recorded. */
export interface HostRecord {
  readonly name: string;
  readonly subnetFile: string;
  /** Flags that each agent on this host is started with, after those that every lab's agent has. */
  readonly agentFlags: readonly string[];
  readonly agent: ProcessIdentity | null;
  /** In the order they were made; the first is `h1p1`. */
  readonly pods: readonly { readonly name: string; readonly address: string }[];
}

/** Of what is written; records of version 1 are read, too. */
export const RECORD_VERSION = 2;

/** Content of lab.json. */
export interface LabRecord {
  /** Raised when a member is added or changes its meaning; older ones are still read. */
  readonly version: typeof RECORD_VERSION;
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
  readonly backend: LabBackend;
  /** Whether a counter watches the underlay for packets in clear. */
  readonly countsLeaks: boolean;
  readonly etcd: ProcessIdentity | null;
  readonly hosts: readonly HostRecord[];
}

/** Environment variable by which a lab knows the processes it started, and their children. */
export const TOKEN_VARIABLE = "TWILL_LAB_TOKEN";
