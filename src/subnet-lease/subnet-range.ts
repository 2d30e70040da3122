/** The part of an overlay network that is handed out in subnets: one set of rules for both IP families. */
import { foldName } from "../net/fold-name.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";
import { Ipv6Address, Ipv6Prefix } from "../net/ipv6.ts";
import { showUntrustedJson } from "../net/untrusted-text.ts";
import type { JsonValue } from "./lease.ts";

/** Which subnets a node may lease: every `subnetLength` prefix from `subnetMin` up to and including `subnetMax`. */
export interface SubnetRange<A, P> {
  readonly network: P;
  readonly subnetLength: number;
  /** Base address of the first subnet. */
  readonly subnetMin: A;
  /** Base address of the last subnet. */
  readonly subnetMax: A;
}

/** What differs between the families. */
export interface Family<A extends Address, P extends Prefix<A>> {
  /** Put before each member name in messages: "" or "IPv6". */
  readonly memberPrefix: string;
  readonly name: "IPv4" | "IPv6";
  /** Subnet length when none is given and the network has room for it: a /24, a /64. */
  readonly usualLength: number;
  /** A longer one leaves no address beside the subnet's own, the gateway and the broadcast. */
  readonly maxLength: number;
  parseAddress(text: string): A | null;
  parsePrefix(text: string): P | null;
  containing(address: A, length: number): P;
  /** The address after the last one of `prefix`. */
  after(prefix: P): A;
}

interface Address {
  readonly value: number | bigint;
  toString(): string;
}

interface Prefix<A> {
  readonly address: A;
  readonly length: number;
  readonly last: A;
  contains(address: A): boolean;
  toString(): string;
}

/** Subnets of an IPv4 network. */
export const IPV4_FAMILY: Family<Ipv4Address, Ipv4Prefix> = {
  memberPrefix: "",
  name: "IPv4",
  usualLength: 24,
  maxLength: 30,
  parseAddress: (text) => Ipv4Address.parse(text),
  parsePrefix: (text) => Ipv4Prefix.parseContaining(text),
  containing: (address, length) => Ipv4Prefix.containing(address, length),
  after: (prefix) => prefix.last.plus(1),
};

/** Subnets of an IPv6 network. */
export const IPV6_FAMILY: Family<Ipv6Address, Ipv6Prefix> = {
  memberPrefix: "IPv6",
  name: "IPv6",
  usualLength: 64,
  maxLength: 126,
  parseAddress: (text) => Ipv6Address.parse(text),
  parsePrefix: (text) => Ipv6Prefix.parseContaining(text),
  containing: (address, length) => Ipv6Prefix.containing(address, length),
  after: (prefix) => prefix.last.plus(1n),
};

/** A subnet of a network has at least four siblings: flannel skips the first and wants more than one left. */
const MIN_EXTRA_BITS = 2;

/** A range as the config gives it: checked one by one, not yet against each other. */
export interface GivenRange<A, P> {
  readonly network: P | null;
  /** 0 when not given. */
  readonly subnetLength: number;
  readonly subnetMin: A | null;
  readonly subnetMax: A | null;
}

/** Raised for every config that cannot be used: names the member, its value and what to do. */
export function configError(member: string, problem: string): OverlayError {
  return new OverlayError("ERR_CONFIG_INVALID", `Cannot use the network config: ${member} ${problem}`, {
    member,
  });
}

/**
 * Reads the four members of one family. `0.0.0.0` and `::` count as not given, as flannel has it.
 * @throws {OverlayError} `ERR_CONFIG_INVALID`
 */
export function readGivenRange<A extends Address, P extends Prefix<A>>(
  family: Family<A, P>,
  members: ReadonlyMap<string, JsonValue>,
): GivenRange<A, P> {
  const { memberPrefix, name } = family;
  const network = readMember(
    `${memberPrefix}Network`,
    (text) => family.parsePrefix(text),
    `an ${name} prefix`,
  );
  return {
    network: network === null || network.length === 0 ? null : network,
    subnetLength: readLength(members, `${memberPrefix}SubnetLen`),
    subnetMin: readBound("SubnetMin"),
    subnetMax: readBound("SubnetMax"),
  };

  function readBound(member: string): A | null {
    const bound = readMember(
      memberPrefix + member,
      (text) => family.parseAddress(text),
      `an ${name} address`,
    );
    return bound === null || Number(bound.value) === 0 ? null : bound;
  }

  function readMember<T>(member: string, parse: (text: string) => T | null, kind: string): T | null {
    const value = members.get(foldName(member));
    if (value === undefined) return null;
    const parsed = typeof value === "string" ? parse(value) : null;
    if (parsed === null) throw configError(member, `${showUntrustedJson(value)} is not ${kind}`);
    return parsed;
  }
}

function readLength(members: ReadonlyMap<string, JsonValue>, member: string): number {
  const value = members.get(foldName(member)) ?? 0;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0) {
    throw configError(member, `${showUntrustedJson(value)} is not a whole number of bits`);
  }
  return value;
}

/**
 * Fills in what is not given, and checks the members against each other.
 * @throws {OverlayError} `ERR_CONFIG_INVALID`
 */
export function completeRange<A extends Address, P extends Prefix<A>>(
  family: Family<A, P>,
  given: GivenRange<A, P>,
): SubnetRange<A, P> {
  const { network } = given;
  const { memberPrefix } = family;
  if (network === null) {
    throw configError(
      `${memberPrefix}Network`,
      `is missing; give the whole overlay range, such as ${exampleOf(family)}`,
    );
  }
  const subnetLength = completeLength(family, network, given.subnetLength);
  const subnetMin = given.subnetMin ?? family.after(family.containing(network.address, subnetLength));
  const subnetMax = given.subnetMax ?? family.containing(network.last, subnetLength).address;
  checkBound("SubnetMin", subnetMin);
  checkBound("SubnetMax", subnetMax);
  if (subnetMin.value > subnetMax.value) {
    const problem = `${subnetMin.toString()} is above ${memberPrefix}SubnetMax ${subnetMax.toString()}; swap them`;
    throw configError(`${memberPrefix}SubnetMin`, problem);
  }
  return { network, subnetLength, subnetMin, subnetMax };

  function checkBound(member: string, bound: A): void {
    if (network?.contains(bound) !== true) {
      throw configError(
        memberPrefix + member,
        `${bound.toString()} is not in the network ${String(network)}`,
      );
    }
    const base = family.containing(bound, subnetLength).address;
    if (base.value !== bound.value) {
      const problem = `${bound.toString()} is not the first address of a /${subnetLength}; use ${base.toString()}`;
      throw configError(memberPrefix + member, problem);
    }
  }
}

function completeLength<A extends Address, P extends Prefix<A>>(
  family: Family<A, P>,
  network: P,
  given: number,
): number {
  const { memberPrefix, maxLength, usualLength } = family;
  const least = network.length + MIN_EXTRA_BITS;
  if (least > maxLength) {
    const problem = `${network.toString()} is too small for subnets; use a /${maxLength - MIN_EXTRA_BITS} or wider`;
    throw configError(`${memberPrefix}Network`, problem);
  }
  if (given === 0) return Math.max(usualLength, least);
  if (given < least || given > maxLength) {
    const problem = `${given} does not fit ${network.toString()}; use ${least} to ${maxLength}`;
    throw configError(`${memberPrefix}SubnetLen`, problem);
  }
  return given;
}

function exampleOf<A extends Address, P extends Prefix<A>>(family: Family<A, P>): string {
  return family.name === "IPv4" ? '"10.244.0.0/16"' : '"2001:db8::/48"';
}
