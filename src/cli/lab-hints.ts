/** What `twill lab up` says at its end: commands to type or paste, as they work in this shell. */
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { shellWord } from "../net/shell-word.ts";

/** Names of a lab that was just made. */
export interface HintedLab {
  /** How this program is called, from {@link programName}. */
  readonly program: string;
  /** Options that name the lab, each with a blank before it; empty for the usual one. */
  readonly suffix: string;
  readonly directory: string;
  /** The overlay device of the hosts; null where there is none. */
  readonly device: string | null;
  readonly pods: readonly { readonly name: string; readonly address: string }[];
}

const PROGRAM = fileURLToPath(new URL("../../bin/twill", import.meta.url));

/** How bin/twill of this checkout is called from directory `cwd`: nothing puts `twill` into PATH. */
export function programName(cwd: string): string {
  const near = relative(cwd, PROGRAM);
  // A word without a slash would be looked up in PATH.
  return shellWord(near.startsWith("..") || !near.includes("/") ? PROGRAM : near);
}

/** The lines to try. */
export function howToTry({ program, suffix, directory, device, pods }: HintedLab): string {
  const [from] = pods;
  const to = pods.at(-1);
  const ping =
    from === undefined || to === undefined || from === to
      ? []
      : [`  ${program} lab exec${suffix} ${from.name} -- ping -c 3 ${to.address}`];
  const lines = [
    "Try:",
    ...ping,
    `  ${program} lab exec${suffix} h1 -- ip route`,
    ...(device === null ? [] : [`  ${program} lab exec${suffix} h1 -- ip -d -s link show ${device}`]),
    `  ${program} lab status${suffix}`,
    `  ${program} status --run-dir ${shellWord(`${directory}/h1/run`)}`,
    `  ${program} lab down${suffix}`,
    `Logs and files: ${directory}`,
  ];
  return `${lines.join("\n")}\n`;
}
