/** What a runtime says in environment variables. It becomes paths and names of devices, so nothing is taken unchecked. */
import { DEVICE_NAME_ADVICE, isDeviceName } from "../net/device-name.ts";
import { showUntrusted } from "../net/untrusted-text.ts";
import { CNI_CODE, CniError } from "./cni-error.ts";

/** What a runtime may ask for. */
export const COMMANDS = ["ADD", "CHECK", "DEL", "VERSION"] as const;
export type Command = (typeof COMMANDS)[number];

/** Variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** One interface of one container. With the network's name it is what an ADD and its DEL have in common. */
export interface Attachment {
  readonly containerId: string;
  /** Its name inside the container. */
  readonly interfaceName: string;
}

const REQUIRED: Readonly<Record<Command, readonly string[]>> = {
  ADD: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
  CHECK: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
  DEL: ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"], // without CNI_NETNS when the namespace is gone
  VERSION: [],
};

/** The specification's, also for the name of a network. No slash, no leading dot: safe as a part of a file's name. */
export const CNI_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** What is asked for, once every variable it needs is there. @throws {CniError} 4 */
export function readCommand(env: Environment): Command {
  const asked = env.CNI_COMMAND ?? "";
  const command = COMMANDS.find((known) => known === asked);
  if (command === undefined) {
    const what = asked === "" ? "it is not set" : `it is ${showUntrusted(asked)}`;
    throw invalid(
      `Cannot do what CNI_COMMAND says: ${what}, and twill-cni, which a container runtime starts, knows ${COMMANDS.join(", ")}`,
    );
  }
  const missing = REQUIRED[command].filter((name) => (env[name] ?? "") === "");
  if (missing.length === 0) return command;
  throw invalid(`Cannot do ${command}: ${missing.join(", ")} must be set, by the container runtime`);
}

/** Whose attachment it is about. @throws {CniError} 4 */
export function readAttachment(env: Environment): Attachment {
  const containerId = env.CNI_CONTAINERID ?? "";
  const interfaceName = env.CNI_IFNAME ?? "";
  if (!CNI_NAME.test(containerId)) {
    throw invalid(
      `Cannot use CNI_CONTAINERID ${showUntrusted(containerId)}: need letters, digits, "_", "." and "-", the first a letter or digit`,
    );
  }
  if (!isDeviceName(interfaceName)) {
    throw invalid(`Cannot use CNI_IFNAME ${showUntrusted(interfaceName)}: ${DEVICE_NAME_ADVICE}`);
  }
  return { containerId, interfaceName };
}

/** Directories with plugins, in the order they are searched. */
export function readPluginDirectories(env: Environment): string[] {
  return (env.CNI_PATH ?? "").split(":").filter((directory) => directory !== "");
}

function invalid(message: string): CniError {
  return new CniError(CNI_CODE.environmentInvalid, message);
}
