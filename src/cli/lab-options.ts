/** The options of `twill lab up` that decide how packets are carried: read, checked, and turned into what a lab takes. */
import { loadAgentConfig } from "../agent/config.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { agentArguments } from "./agent.ts";

/** Backends of a lab's agents that carry packets. */
export const LAB_BACKENDS = ["udp", "vxlan", "host-gw"] as const;
/** Values of the agents' flag of the same name. */
export const LAB_DATAPATHS = ["user", "kernel"] as const;

/** A member of the network config's `Backend`. */
export interface BackendOption {
  readonly name: string;
  readonly value: unknown;
}

/** Flags for the agent of one host. */
export interface HostFlags {
  readonly host: string;
  readonly flags: readonly string[];
}

/** How packets are to be carried. */
export interface CarryOptions {
  readonly backend: string;
  readonly backendOption: readonly BackendOption[];
  readonly datapath?: string | undefined;
  readonly hostFlags: readonly HostFlags[];
}

/** The part of a lab's plan that follows. */
export interface CarryPlan {
  readonly networkConfig: { readonly Backend: Readonly<Record<string, unknown>> };
  readonly agentFlags: readonly string[];
  readonly hostFlags: Readonly<Record<string, readonly string[]>>;
}

const MEMBER_NAME = /^[A-Za-z][A-Za-z0-9]*$/;
/** Flags by which a lab places its agents and finds them again. */
const LAB_FLAGS: readonly string[] = ["etcd-endpoints", "etcd-prefix", "subnet-file", "run-dir", "state-dir"];
const FLAG_NAME = /^--([^=]+)=/;

/** Reads `NAME=JSON`, as in `DirectRouting=true`. @throws {OverlayError} `ERR_OPTION_INVALID` */
export function parseBackendOption(text: string): BackendOption {
  const [name, json] = splitAtEquals(text);
  if (!MEMBER_NAME.test(name)) throw unusable("--backend-option", text, "need NAME=JSON, as VNI=7");
  if (name.toLowerCase() === "type") throw unusable("--backend-option", text, "that is what --backend says");
  try {
    return { name, value: JSON.parse(json) as unknown };
  } catch {
    throw unusable(
      "--backend-option",
      text,
      `${JSON.stringify(json)} is not JSON (a text wants quotes: "x")`,
    );
  }
}

/**
 * Reads `HOST=FLAGS`, as in `h2=--datapath=kernel`; several flags have blanks between them.
 * @throws {OverlayError} `ERR_OPTION_INVALID` also when an agent would refuse the flags
 */
export function parseHostFlags(text: string): HostFlags {
  const [host, flagText] = splitAtEquals(text);
  const words = flagText.split(/\s+/).filter((word) => word !== "");
  if (host === "" || words.length === 0)
    throw unusable("--host-flags", text, "need HOST=FLAGS, as h2=--datapath=kernel");
  const flags = agentArguments(words);
  checkFlags(text, flags);
  return { host, flags };
}

/** What a lab is to be told. @throws {OverlayError} `ERR_OPTION_INVALID` */
export function planCarrying({ backend, backendOption, datapath, hostFlags }: CarryOptions): CarryPlan {
  if (datapath === "kernel" && backend === "udp") {
    throw unusable("--datapath", datapath, "udp packets always go through the agent; use --backend vxlan");
  }
  const members = backendOption.map(({ name, value }) => [name, value] as const);
  const flagsByHost: Record<string, readonly string[]> = Object.create(null) as Record<string, string[]>;
  for (const { host, flags } of hostFlags) flagsByHost[host] = [...(flagsByHost[host] ?? []), ...flags];
  return {
    networkConfig: { Backend: { Type: backend, ...Object.fromEntries(members) } },
    agentFlags: datapath === undefined ? [] : [`--datapath=${datapath}`],
    hostFlags: flagsByHost,
  };
}

/** Here and not by an agent, whose refusal would come when half the lab stands. */
function checkFlags(text: string, flags: readonly string[]): void {
  const byName = new Map<string, string[]>();
  for (const flag of flags) {
    const name = FLAG_NAME.exec(flag)?.[1];
    if (name === undefined) throw unusable("--host-flags", text, `${flag} starts no agent`);
    if (LAB_FLAGS.includes(name)) throw unusable("--host-flags", text, `the lab itself sets --${name}`);
    byName.set(name, [...(byName.get(name) ?? []), flag.slice(flag.indexOf("=") + 1)]);
  }
  loadAgentConfig(byName, {});
}

function splitAtEquals(text: string): [before: string, after: string] {
  const split = text.indexOf("=");
  return split < 0 ? [text, ""] : [text.slice(0, split), text.slice(split + 1)];
}

function unusable(option: string, text: string, problem: string): OverlayError {
  return new OverlayError("ERR_OPTION_INVALID", `Cannot use ${option} ${JSON.stringify(text)}: ${problem}`);
}
