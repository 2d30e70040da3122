/** Names of what a lab makes. Each carries the lab's name, so two labs never meet and a stranger's thing never matches. */
import { OverlayError } from "../../net/overlay-error.ts";

/** `twl-` + this + `-h50p9` stays short enough to read in a table; no dash at either end. */
const LAB_NAME = /^[a-z0-9](?:[a-z0-9-]{0,22}[a-z0-9])?$/;
const HOST_NAME = /^h([1-9][0-9]?)$/;
const POD_NAME = /^(h[1-9][0-9]?)p([1-9][0-9]{0,2})$/;

/** Prefix of every namespace a lab makes. */
const NAMESPACE_PREFIX = "twl-";

/** What stands in a namespace's name after the lab's name: a host, a pod, or `net`, the underlay. */
export const UNDERLAY_NAME = "net";

/** Throws unless `name` can name a lab. @throws {OverlayError} `ERR_OPTION_INVALID` */
export function checkLabName(name: string): void {
  if (LAB_NAME.test(name)) return;
  throw new OverlayError(
    "ERR_OPTION_INVALID",
    `Cannot use ${JSON.stringify(name)} as the name of a lab: need 1 to 24 of a-z, 0-9 and -, no - at either end`,
  );
}

/** Name of the host with this number, counted from 1: `h1`. */
export function hostName(number: number): string {
  return `h${number}`;
}

/** Name of a host's pod, both counted from 1: `h1p1`. */
export function podName(host: string, number: number): string {
  return `${host}p${number}`;
}

/** The number of a host's name, or null when `name` is no host's. */
export function hostNumber(name: string): number | null {
  const digits = HOST_NAME.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}

/**
 * Name of a namespace. `member` has no dash, so the lab's name can be read back in one way only: lab `a`
 * with host `h1` and lab `a-h1` with its underlay never share one.
 */
export function namespaceName(lab: string, member: string): string {
  return `${NAMESPACE_PREFIX}${lab}-${member}`;
}

/** Whether `name` is a namespace of this lab: its exact name, then a host, a pod or the underlay. */
export function isNamespaceOf(lab: string, name: string): boolean {
  const start = namespaceName(lab, "");
  if (!name.startsWith(start)) return false;
  const member = name.slice(start.length);
  return member === UNDERLAY_NAME || HOST_NAME.test(member) || POD_NAME.test(member);
}
