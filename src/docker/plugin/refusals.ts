/** What a user reads when a network or a container cannot be had as asked: each names the state and the command that mends it. */
import type { OverlayError } from "../../net/overlay-error.ts";
import { refused } from "./protocol/request-fields.ts";
import type { LeaseView } from "./state/host-lease.ts";
import type { Network, PluginState } from "./state/plugin-state.ts";
import { shortId } from "./state/plugin-state.ts";

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
