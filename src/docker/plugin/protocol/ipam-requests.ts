/** What Docker asks of an IPAM driver (libnetwork's docs/ipam.md), checked. */
import type { Ipv4Address, Ipv4Prefix } from "../../../net/ipv4.ts";
import { showUntrusted } from "../../../net/untrusted-text.ts";
import { refused } from "./request-fields.ts";
import type { RequestFields } from "./request-fields.ts";

const REQUEST_TYPE = "RequestAddressType";
const GATEWAY_TYPE = "com.docker.network.gateway";
/** Docker's own options, which ask nothing of us. */
const OWN_OPTION_START = "com.docker.";

export interface RequestPoolRequest {
  /** `--subnet`, or what was given before Docker's restart; null: the driver chooses. */
  readonly pool: Ipv4Prefix | null;
}

/** @throws {OverlayError} `ERR_REQUEST_INVALID`; `ERR_REQUEST_REFUSED` for what twill does not do */
export function parseRequestPool(fields: RequestFields): RequestPoolRequest {
  if (fields.flag("V6"))
    throw refused("Cannot give an IPv6 pool: twill carries IPv4 between containers, leave --ipv6 out");
  if (fields.text("SubPool") !== "")
    throw refused(
      "Cannot give a part of the lease: twill gives addresses from all of it, leave --ip-range out",
    );
  const unknown = fields.object("Options").names.find((name) => !name.startsWith(OWN_OPTION_START));
  if (unknown !== undefined)
    throw refused(`Cannot use --ipam-opt ${showUntrusted(unknown)}: twill has no IPAM options, leave it out`);
  return { pool: fields.prefix("Pool") };
}

/** Names a pool as `RequestPool` answered. */
interface PoolRequest {
  readonly poolId: string;
}

/** @throws {OverlayError} `ERR_REQUEST_INVALID` */
function parsePool(fields: RequestFields): PoolRequest {
  return { poolId: fields.text("PoolID") };
}

export interface AddressRequest extends PoolRequest {
  /** Null: any, when one is asked for. */
  readonly address: Ipv4Address | null;
  readonly isGateway: boolean;
}

/** @throws {OverlayError} `ERR_REQUEST_INVALID` */
export function parseAddress(fields: RequestFields): AddressRequest {
  const isGateway = fields.object("Options").text(REQUEST_TYPE) === GATEWAY_TYPE;
  return { ...parsePool(fields), address: fields.address("Address"), isGateway };
}
