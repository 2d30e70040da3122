/** What requests of these tests meet. */
import { OverlayError } from "../../../../src/net/overlay-error.ts";
import { RequestFields } from "../../../../src/docker/plugin/protocol/request-fields.ts";
import type { Circumstances } from "../../../../src/docker/plugin/refusals.ts";
import { emptyState } from "../../../../src/docker/plugin/state/plugin-state.ts";
import type { HostLease, Network, PluginState } from "../../../../src/docker/plugin/state/plugin-state.ts";
import { addressOf, prefixOf } from "../../../support/ipv4.ts";

export const NETWORK_ID = "a1".repeat(32);
export const OTHER_ID = "b2".repeat(32);
export const ENDPOINT_ID = "c3".repeat(32);
export const OTHER_ENDPOINT_ID = "d4".repeat(32);

export const LEASE: HostLease = {
  network: prefixOf("10.244.0.0/16"),
  subnet: prefixOf("10.244.7.0/24"),
  gateway: addressOf("10.244.7.1"),
  overlayMtu: 1472,
};

export const MOVED_LEASE: HostLease = {
  ...LEASE,
  subnet: prefixOf("10.244.9.0/24"),
  gateway: addressOf("10.244.9.1"),
};

export const NETWORK: Network = {
  id: NETWORK_ID,
  lease: LEASE,
  bridgeName: "tw-a1a1a1a1a1a1",
  gatewayMode: "docker",
  isInternal: false,
};

export const EMPTY: PluginState = emptyState("0badcafe.d1d1");

/** With {@link NETWORK} alone. */
export const WITH_NETWORK: PluginState = { ...EMPTY, networks: new Map([[NETWORK_ID, NETWORK]]) };

/** @param lease null: there is no subnet file */
export function at(state: PluginState, lease: HostLease | null = LEASE): Circumstances {
  const problem = lease === null ? new OverlayError("ERR_LEASE_MISSING", "no lease yet") : null;
  return { state, view: { lease, problem }, driverName: "twill" };
}

/** The fields of a request with this body. */
export function fields(method: string, body: unknown): RequestFields {
  return RequestFields.parse(method, JSON.stringify(body));
}

/** The sentence that this ends with. @throws {Error} when it ends well, or with an error that nobody foresaw */
export function sentenceOf(run: () => unknown): string {
  try {
    run();
  } catch (err) {
    if (err instanceof OverlayError) return err.message;
    throw err;
  }
  throw new Error("It was granted");
}
