/** The IPAM driver: from a request and the state to the next state and the answer. Pure. */
import { showUntrusted } from "../../net/untrusted-text.ts";
import type { AddressRequest, RequestPoolRequest } from "./protocol/ipam-requests.ts";
import { refused } from "./protocol/request-fields.ts";
import {
  chooseAddress,
  giveAddress,
  isTaken,
  isUsable,
  releaseAddress,
  usableCount,
} from "./state/addresses.ts";
import { createCommand, movedError, secondNetworkError, takenError } from "./refusals.ts";
import type { Circumstances, Outcome } from "./refusals.ts";
import { hasMoved, requireLease } from "./state/host-lease.ts";
import type { Pool } from "./state/plugin-state.ts";
import { networkOn, poolIdOf, withEntry } from "./state/plugin-state.ts";

/**
 * Gives the host's lease as pool. A pool on which there is a network is given again without a look at the lease, as its gateway
 * is: Docker asks for both at its start, which may come before the agent's, and one that keeps containers alive
 * (`--live-restore`) ends with a panic when it is refused (20.10). Containers hear that the lease has moved.
 * @throws {OverlayError} `ERR_REQUEST_REFUSED`, `ERR_LEASE_MISSING`, `ERR_FILE_FAILED`
 */
export function requestPool(circumstances: Circumstances, { pool }: RequestPoolRequest): Outcome {
  const { state, view, driverName } = circumstances;
  const network = pool === null ? null : networkOn(state, pool);
  const { subnet, gateway } = network?.lease ?? requireLease(view);
  if (pool !== null && !pool.equals(subnet)) {
    throw refused(
      `Cannot use pool ${pool.toString()}: this host's lease is ${subnet.toString()}; use: ${createCommand(driverName)}`,
    );
  }
  const other = networkOn(state, subnet);
  if (pool === null && other !== null) throw secondNetworkError(other);
  const poolId = poolIdOf(subnet);
  const answer = { PoolID: poolId, Pool: subnet.toString(), Data: {} };
  if (state.pools.has(poolId)) return { state, answer };
  const fresh: Pool = { subnet, gateway, held: new Map(), released: [] };
  const used = [...state.pools].filter(([, one]) => networkOn(state, one.subnet) !== null); // not those of earlier leases
  return { state: { ...state, pools: withEntry(new Map(used), poolId, fresh) }, answer };
}

/** @throws {OverlayError} `ERR_REQUEST_REFUSED` */
export function requestAddress(circumstances: Circumstances, request: AddressRequest): Outcome {
  const { state } = circumstances;
  const pool = state.pools.get(request.poolId);
  if (pool === undefined)
    throw refused(
      `Cannot give an address: pool ${showUntrusted(request.poolId)} is unknown; remove its network and make it again: ${createCommand(circumstances.driverName)}`,
    );
  if (request.isGateway) return { state, answer: gatewayAnswer(pool, request) };
  refuseMoved(circumstances, pool);
  const address = request.address ?? chooseAddress(state, pool);
  if (address === null) {
    throw refused(
      `Cannot give an address: all ${usableCount(pool)} of ${pool.subnet.toString()} are taken; remove containers, or give hosts larger subnets (SubnetLen of the network config)`,
    );
  }
  if (!isUsable(pool, address)) {
    throw refused(
      `Cannot give ${address.toString()}: containers here have addresses of ${pool.subnet.toString()} but its first, its last and the gateway ${pool.gateway.toString()}; choose one of these, or leave --ip out`,
    );
  }
  if (isTaken(state, pool, address)) throw takenError(state, address);
  const answer = { Address: `${address.toString()}/${pool.subnet.length}`, Data: {} };
  return { state: giveAddress(state, pool, address), answer };
}

function refuseMoved(circumstances: Circumstances, { subnet }: Pool): void {
  const network = networkOn(circumstances.state, subnet);
  if (network !== null && hasMoved(circumstances.view, network)) throw movedError(circumstances, network);
}

/** The bridge's address is never a container's, so it is neither held nor released. */
function gatewayAnswer({ subnet, gateway }: Pool, { address }: AddressRequest): Outcome["answer"] {
  if (address !== null && !address.equals(gateway)) {
    throw refused(
      `Cannot use gateway ${address.toString()}: that of lease ${subnet.toString()} is ${gateway.toString()}, leave --gateway out`,
    );
  }
  return { Address: `${gateway.toString()}/${subnet.length}`, Data: {} };
}

/** What was not given, or is no more, is no error: Docker repeats itself after failures. */
export function releaseAddressRequest(
  { state }: Circumstances,
  { poolId, address }: AddressRequest,
): Outcome {
  const pool = state.pools.get(poolId);
  const isKnown = pool !== undefined && address !== null;
  return { state: isKnown ? releaseAddress(state, pool, address) : state, answer: {} };
}
