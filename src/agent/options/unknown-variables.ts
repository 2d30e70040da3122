import { escapeUntrusted } from "../../net/untrusted-text.ts";
import { AGENT_OPTION_LIST } from "./agent-options.ts";
import { nearestName } from "./usage-error.ts";

const OUR_VARIABLE = /^(?:FLANNELD|TWILL)_/;
/** Not for the agent: the lab's own, and a flag of flannel whose variable images are known to set. */
const NOT_OURS = /^(?:TWILL_LAB_.*|FLANNELD_VERSION)$/s;
/** A few are typos; more of them are somebody else's, and must not fill the log. */
const MAX_TOLD = 10;

/**
 * The variables that look like options and are none, each with the nearest one that is: fit for a log line.
 * Values are not shown, one may be a password.
 */
export function findUnknownVariables(environment: Readonly<Record<string, string | undefined>>): string[] {
  const known = AGENT_OPTION_LIST.map(({ variable }) => variable).filter((name) => name !== null);
  const unknown = Object.keys(environment).filter(
    (name) => OUR_VARIABLE.test(name) && !NOT_OURS.test(name) && !known.includes(name),
  );
  const told = unknown.slice(0, MAX_TOLD).map((name) => describe(name, known));
  return unknown.length > MAX_TOLD ? [...told, `${unknown.length - MAX_TOLD} more`] : told;
}

/** Compared without their prefixes: which of the two it is, is what people get wrong first. */
function describe(name: string, known: readonly string[]): string {
  const bare = (variable: string): string => variable.replace(OUR_VARIABLE, "");
  const nearest = nearestName(bare(name), known.map(bare));
  const variable = nearest === null ? undefined : known.find((one) => bare(one) === nearest);
  return `${escapeUntrusted(name)}${variable === undefined ? "" : `, did you mean ${variable}?`}`;
}
