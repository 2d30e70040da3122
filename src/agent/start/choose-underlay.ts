/** Which interface and address carry the outer packets: a pure choice over what the kernel reports. */
import type { Underlay } from "../../backends/backend.ts";
import type { InterfaceAddress } from "../../kernel/addresses.ts";
import type { Link } from "../../kernel/links.ts";
import type { DefaultRoute } from "../../kernel/routes.ts";
import { Ipv4Address } from "../../net/ipv4.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { showUntrusted } from "../../net/untrusted-text.ts";
import type { AgentOptions } from "../options/agent-options.ts";

/** Longest IPv4 packet (RFC 791): some devices have a larger MTU, and a full inner packet would then not fit. */
const MAX_IPV4_PACKET_BYTES = 65_535;

/** The options that select an interface. */
export type UnderlaySelectors = Pick<AgentOptions, "iface" | "ifaceRegex" | "ifaceCanReach" | "publicIp">;

/** What the kernel reports of this host. */
export interface UnderlayFacts {
  /** In the order of their indexes. */
  readonly links: readonly Link[];
  /** The addresses of one interface are in the kernel's order. */
  readonly addresses: readonly InterfaceAddress[];
  /** Best first. */
  readonly defaultRoutes: readonly DefaultRoute[];
  /** Where packets to `ifaceCanReach` leave; null when it was not asked for, or there is no way. */
  readonly wayToReach: { readonly interfaceName: string; readonly source: Ipv4Address } | null;
}

/** The choice, and a line about each selector that was tried before and did not fit. */
export interface UnderlayChoice {
  readonly underlay: Underlay;
  readonly rejected: readonly string[];
}

/** A selector's answer: an interface, and its address where the selector fixed one; or why there is none. */
type Candidate = { readonly link: Link; readonly address: Ipv4Address | null } | { readonly problem: string };

/**
 * Tries each `iface`, then each `ifaceRegex`, then `ifaceCanReach`; without any of them `publicIp`, else the
 * default route. The first that gives a usable interface and address is taken.
 * @throws {OverlayError} `ERR_INTERFACE_MISSING` that names what was asked and lists what there is
 */
export function chooseUnderlay(selectors: UnderlaySelectors, facts: UnderlayFacts): UnderlayChoice {
  const rejected: string[] = [];
  for (const [label, find] of attemptsFor(selectors)) {
    const candidate = find(facts);
    const found = "problem" in candidate ? candidate : completeCandidate(candidate, facts);
    if (!("problem" in found)) return { underlay: toUnderlay(found, selectors.publicIp), rejected };
    rejected.push(`${label}: ${found.problem}`);
  }
  throw new OverlayError(
    "ERR_INTERFACE_MISSING",
    `Cannot choose the underlay interface: ${rejected.join("; ")}; this host has ${listInterfaces(facts)}`,
  );
}

/**
 * The underlay that is in use, with what may change of it (the MTU), as long as its interface is there and has its
 * address for new connections; null when another must be chosen. A second address, or a better default route, moves
 * nobody: peers know the first.
 */
export function keepUnderlay(current: Underlay | null, facts: UnderlayFacts): UnderlayChoice | null {
  const link = facts.links.find(
    ({ index, name }) => index === current?.interfaceIndex && name === current.interfaceName,
  );
  if (current === null || link === undefined || link.mtu === 0) return null;
  if (!usableAddresses(link, facts).some((address) => address.equals(current.interfaceIp))) return null;
  return { underlay: { ...current, underlayMtu: underlayMtuOf(link) }, rejected: [] };
}

type Attempt = readonly [label: string, find: (facts: UnderlayFacts) => Candidate];

function attemptsFor(selectors: UnderlaySelectors): Attempt[] {
  const { iface, ifaceRegex, ifaceCanReach, publicIp } = selectors;
  const attempts: Attempt[] = [
    ...iface.map((text): Attempt => [
      `--iface=${showUntrusted(text)}`,
      (facts) => findByNameOrAddress(text, facts),
    ]),
    ...ifaceRegex.map((pattern): Attempt => [
      `--iface-regex=${showUntrusted(pattern.source)}`,
      (facts) => findByPattern(pattern, facts),
    ]),
  ];
  if (ifaceCanReach !== null) {
    attempts.push([`--iface-can-reach=${ifaceCanReach.toString()}`, findByWay]);
  }
  if (attempts.length > 0) return attempts;
  if (publicIp === null) return [["default route", findByDefaultRoute]];
  return [[`--public-ip=${publicIp.toString()}`, (facts) => findByPublicIp(publicIp, facts)]];
}

function findByNameOrAddress(text: string, facts: UnderlayFacts): Candidate {
  const address = Ipv4Address.parse(text);
  if (address !== null) return findByAddress(address, facts);
  if (text.includes(":")) return { problem: "the underlay is IPv4, an IPv6 address cannot select it" };
  return findByName(text, facts);
}

function findByName(name: string, facts: UnderlayFacts): Candidate {
  const link = facts.links.find((one) => one.name === name);
  return link === undefined ? { problem: "no such interface" } : { link, address: null };
}

function findByAddress(address: Ipv4Address, facts: UnderlayFacts): Candidate {
  if (!address.isUnicast) return { problem: "not an address that other hosts can send to" };
  const owner = facts.addresses.find((one) => one.address.equals(address));
  const link = facts.links.find((one) => one.index === owner?.interfaceIndex);
  return link === undefined ? { problem: "no interface has this address" } : { link, address };
}

function findByPublicIp(publicIp: Ipv4Address, facts: UnderlayFacts): Candidate {
  const candidate = findByAddress(publicIp, facts);
  if (!("problem" in candidate)) return candidate;
  return {
    problem: `${candidate.problem}; to announce an address of a NAT, select the interface with --iface`,
  };
}

/** Addresses come before names: a pattern such as `10\..*` is meant for the first. */
function findByPattern(pattern: RegExp, facts: UnderlayFacts): Candidate {
  for (const link of facts.links) {
    const hit = usableAddresses(link, facts).find((address) => pattern.test(address.toString()));
    if (hit !== undefined) return { link, address: hit };
  }
  const named = facts.links.find((link) => pattern.test(link.name));
  return named === undefined ? { problem: "no address and no name matches" } : { link: named, address: null };
}

function findByWay(facts: UnderlayFacts): Candidate {
  const way = facts.wayToReach;
  if (way === null) return { problem: "the kernel has no route to it" };
  const candidate = findByName(way.interfaceName, facts);
  return "problem" in candidate ? candidate : { link: candidate.link, address: way.source };
}

function findByDefaultRoute(facts: UnderlayFacts): Candidate {
  const [best] = facts.defaultRoutes;
  if (best === undefined) return { problem: "there is none; select an interface with --iface" };
  if (best.interfaceName === null) {
    return { problem: "it has several next hops; select an interface with --iface" };
  }
  return findByName(best.interfaceName, facts);
}

interface Completed {
  readonly link: Link;
  readonly address: Ipv4Address;
}

function completeCandidate(
  candidate: { readonly link: Link; readonly address: Ipv4Address | null },
  facts: UnderlayFacts,
): Completed | { readonly problem: string } {
  const { link } = candidate;
  if (link.isLoopback) return { problem: `${link.name} is the loopback interface` };
  if (link.mtu === 0) return { problem: `${link.name} has MTU 0` };
  const address = candidate.address ?? usableAddresses(link, facts)[0];
  return address === undefined ? { problem: `${link.name} has no usable IPv4 address` } : { link, address };
}

/**
 * Addresses that peers can send to, the best first: global before link-local, permanent before one with a
 * lifetime; otherwise the kernel's order.
 */
function usableAddresses(link: Link, facts: UnderlayFacts): Ipv4Address[] {
  const rank = (one: InterfaceAddress): number => (one.address.isLinkLocal ? 2 : 0) + (one.isDynamic ? 1 : 0);
  return facts.addresses
    .filter((one) => one.interfaceIndex === link.index && one.address.isUnicast && !one.isDeprecated)
    .sort((a, b) => rank(a) - rank(b))
    .map((one) => one.address);
}

function toUnderlay({ link, address }: Completed, publicIp: Ipv4Address | null): Underlay {
  return {
    interfaceName: link.name,
    interfaceIndex: link.index,
    interfaceIp: address,
    publicIp: publicIp ?? address,
    underlayMtu: underlayMtuOf(link),
  };
}

function underlayMtuOf(link: Link): number {
  return Math.min(link.mtu, MAX_IPV4_PACKET_BYTES);
}

function listInterfaces(facts: UnderlayFacts): string {
  const shown = facts.links.map((link) => {
    const own = facts.addresses.filter((one) => one.interfaceIndex === link.index);
    return [link.name, ...own.map((one) => one.address.toString())].join(" ");
  });
  return shown.length === 0 ? "no interfaces" : shown.join(", ");
}
