/**
 * The text that flannel's `mk-docker-opts.sh` writes: options for dockerd as shell variables, for a unit's
 * `EnvironmentFile=` or a script that sources them.
 */
import { OverlayError } from "../../net/overlay-error.ts";
import { showUntrusted } from "../../net/untrusted-text.ts";
import { SHELL_NAME } from "./docker-opts-request.ts";
import type { DockerOptsRequest } from "./docker-opts-request.ts";

/** Variables of a shell, by name. */
export type ShellVariables = ReadonlyMap<string, string>;

/** Variables that are written beside our own: those whose name has this in it. */
const OPTION_NAME_PART = "DOCKER_OPT_";
/** Docker masquerades exactly when the agent does not. */
const DOCKER_MASQ: ReadonlyMap<string, string> = new Map([
  ["true", "--ip-masq=false"],
  ["false", "--ip-masq=true"],
]);
/** The four characters that mean something between double quotes, to a shell and to systemd's `EnvironmentFile=`. */
const SPECIAL_IN_QUOTES = /["\\$`]/g;

/**
 * The variables that the script has after sourcing the subnet file: the environment's, and over them the file's, which
 * may hold more than flannel's own. Names that no shell takes are left out.
 */
export function shellVariables(
  environment: Readonly<Record<string, string | undefined>>,
  fileValues: ShellVariables,
): ShellVariables {
  const variables = new Map<string, string>();
  for (const [name, value] of [...Object.entries(environment), ...fileValues]) {
    if (value !== undefined && SHELL_NAME.test(name)) variables.set(name, value);
  }
  return variables;
}

/**
 * The file's text: a line for each option in the order of the shell's `set`, which is that of the names, then the line
 * with all of them behind what the variable held before.
 *
 * Byte for byte the script's, but for two things. It writes values as they are, so a quote, a dollar, a backtick or a
 * backslash in the environment is code for whoever sources the file; here they are escaped and stay text. And it takes
 * every line of `set` that has `DOCKER_OPT_` in it, which tears values with blanks apart and writes variables that only
 * mention the word; here the name decides.
 * @throws {OverlayError} `ERR_DOCKER_FAILED` when FLANNEL_IPMASQ is neither true nor false
 */
export function formatDockerOpts(variables: ShellVariables, request: DockerOptsRequest): string {
  const all = new Map([...variables, ...ownOptions(variables, request.hasIpMasq)]);
  const names = [...all.keys()].filter((name) => name.includes(OPTION_NAME_PART)).sort();
  const options = names.map((name) => ({ name, value: joinWords(all.get(name) ?? "") }));

  const lines = request.hasIndividual ? options.map(({ name, value }) => assignment(name, value)) : [];
  if (request.hasCombined) {
    const before = variables.get(request.combinedName) ?? "";
    const start = before === "" ? "" : `${before} `;
    lines.push(assignment(request.combinedName, start + options.map(({ value }) => ` ${value}`).join("")));
  }
  return lines.map((line) => `${line}\n`).join("");
}

function ownOptions(variables: ShellVariables, hasIpMasq: boolean): [name: string, value: string][] {
  const options: [string, string][] = [];
  const subnet = variables.get("FLANNEL_SUBNET") ?? "";
  const mtu = variables.get("FLANNEL_MTU") ?? "";
  const ipMasq = variables.get("FLANNEL_IPMASQ") ?? "";
  if (subnet !== "") options.push(["DOCKER_OPT_BIP", `--bip=${subnet}`]);
  if (mtu !== "") options.push(["DOCKER_OPT_MTU", `--mtu=${mtu}`]);
  if (ipMasq === "" || !hasIpMasq) return options;
  const masq = DOCKER_MASQ.get(ipMasq);
  if (masq === undefined) {
    throw new OverlayError(
      "ERR_DOCKER_FAILED",
      `Cannot make Docker's options: FLANNEL_IPMASQ is ${showUntrusted(ipMasq)}, neither true nor false; ` +
        "correct the subnet file, or give -m",
    );
  }
  return [...options, ["DOCKER_OPT_IPMASQ", masq]];
}

/** Blanks and newlines between words become one blank, as `eval echo` makes them. */
function joinWords(text: string): string {
  return text
    .split(/[ \t\n]+/)
    .filter((word) => word !== "")
    .join(" ");
}

function assignment(name: string, value: string): string {
  return `${name}="${value.replace(SPECIAL_IN_QUOTES, "\\$&")}"`;
}
