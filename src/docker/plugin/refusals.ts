/** What a user reads when a network or a container cannot be had as asked: each names the state and the command that mends it. */
import type { Ipv4Address } from "../../net/ipv4.ts";
import type { OverlayError } from "../../net/overlay-error.ts";
import { LOOK_EVERY_MS } from "./engine/lost-search.ts";
import { refused } from "./protocol/request-fields.ts";
import type { LeaseView } from "./state/host-lease.ts";
import type { Network, PluginState } from "./state/plugin-state.ts";
import { shortId } from "../short-id.ts";

/** Two looks of the search for what Docker lost, and the time until the first. */
const FREED_WITHIN_MINUTES = (2 * LOOK_EVERY_MS) / 60_000;

/** What a request meets. */
export interface Circumstances {
  readonly state: PluginState;
  readonly view: LeaseView;
  /** The name by which Docker knows the driver, for commands in messages. */
  readonly driverName: string;
}

/** What comes of a request that is granted. */
export interface Outcome {
  readonly state: PluginState;
  /** As Docker's protocol names it. */
  readonly answer: Readonly<Record<string, unknown>>;
}

/** The command that makes a network as twill wants it. */
export function createCommand(driverName: string): string {
  return `docker network create -d ${driverName} --ipam-driver ${driverName} NAME`;
}

/** The way to make a network again, on the lease of now: Docker removes none that has containers. */
export function recreateAdvice(driverName: string, networkId: string): string {
  const short = shortId(networkId);
  return `remove its containers or disconnect them (docker network inspect ${short} names those that run), then make it again: docker network rm ${short} && ${createCommand(driverName)}`;
}

/** The error for a network whose subnet is no more this host's. */
export function movedError({ view, driverName }: Circumstances, network: Network): OverlayError {
  const now = view.lease?.subnet.toString() ?? "unknown";
  return refused(
    `Cannot use network ${shortId(network.id)}: its subnet ${network.lease.subnet.toString()} is no more this host's, whose lease is ${now} now; ${recreateAdvice(driverName, network.id)}`,
  );
}

/** The error for a second network on a lease. */
export function secondNetworkError({ id, lease }: Network): OverlayError {
  const short = shortId(id);
  return refused(
    `Cannot make the network: network ${short} has this host's lease ${lease.subnet.toString()} already; use that one, or remove it first: docker network rm ${short} (where Docker does not know it: twill docker-plugin --forget ${short})`,
  );
}

/**
 * The error for an address that is taken. A request for one names no container, so whoever asks may be the one that it was
 * given to: Docker asks again when it never heard the answer.
 */
export function takenError({ endpoints }: PluginState, address: Ipv4Address): OverlayError {
  const holder = [...endpoints.values()].find((one) => one.address.equals(address));
  const how =
    holder === undefined
      ? `it is held by a container that is starting, a --aux-address, or a start that was cut short (then it is free within ${FREED_WITHIN_MINUTES} minutes, while Docker's API answers); wait, choose another one`
      : `it is that of endpoint ${shortId(holder.id)} (docker network inspect names its container); choose another one`;
  return refused(`Cannot give ${address.toString()}: ${how}, or leave --ip out`);
}

/**
 * The error for a request whose answer took too long.
 * @param isBegun whether it had its turn
 * @param isCarriedOut whether it is carried out after this answer
 */
export function lateError(
  method: string,
  deadlineMs: number,
  isBegun: boolean,
  isCarriedOut: boolean,
): OverlayError {
  const why = isBegun ? "ip or the disk of this host hangs" : "the requests before it take too long";
  const then = isCarriedOut ? "it is carried out as soon as that ends" : "nothing of it stays, try again";
  return refused(`Cannot carry out ${method} within ${deadlineMs} ms: ${why}; ${then}`);
}

/** The error for a request that has too many before it. */
export function queueError(method: string, waiting: number): OverlayError {
  return refused(
    `Cannot carry out ${method}: ${waiting} requests wait, for ip or the disk of this host hangs; try again when it does not`,
  );
}
