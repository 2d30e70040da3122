/** Routes, neighbour entries and FDB entries of one owner: made as wanted, kept so, and removed when they are not wanted. */
import type { Logger } from "pino";
import type { Ipv4Prefix } from "../net/ipv4.ts";
import type { FdbEntry } from "./fdb.ts";
import type { IpCommand } from "./ip-command.ts";
import type { Neighbour } from "./neighbours.ts";
import type { Route } from "./routes.ts";

/** What must exist. */
export interface KernelObjects {
  /** With our protocol number, at most one for each destination and metric. */
  readonly routes: readonly Route[];
  /** On the device of the scope; at most one for each address. */
  readonly neighbours: readonly Neighbour[];
  /** On the device of the scope; at most one for each MAC. */
  readonly fdb: readonly FdbEntry[];
}

/** What is the owner's to change. */
export interface ObjectScope {
  /** Routes within it are compared; a foreign one in the place of a wanted one is reported and left. */
  readonly network: Ipv4Prefix;
  /**
   * Ours alone: every permanent neighbour entry, permanent FDB entry and route of it that is not wanted goes, but what
   * the kernel itself made and what is link-local. Null: there is none.
   */
  readonly deviceName: string | null;
  /** Whether a route that is not wanted goes, of those that carry our protocol number and do not lead into the device. */
  mayRemove(route: Route): boolean;
}

/** What an audit found and did. */
export interface AuditResult {
  /** Commands that repaired something. */
  readonly repairs: number;
  /** Wanted routes whose place a foreign route has. */
  readonly conflicts: readonly Route[];
}

export interface ObjectKeeperDeps {
  readonly ip: IpCommand;
  /** `bridge` of iproute2, which takes batches as `ip` does. */
  readonly bridge: IpCommand;
  readonly log: Logger;
}

/** Calls must not overlap. Made by `createObjectKeeper`. */
export interface ObjectKeeper {
  /**
   * Applies what differs from the last call, in at most three batches, reading nothing: neighbour entries and FDB
   * entries come before the routes that need them and go after them. What fails (the place of a route is taken, the
   * device is gone) is left to an audit, which this runs at once; so is the first call, and the one after a failure.
   * @throws {OverlayError} `ERR_KERNEL_FAILED` when that audit fails: what could be done is done
   */
  sync(wanted: KernelObjects, signal: AbortSignal): Promise<void>;
  /**
   * Compares what the last `sync` wanted with what the kernel holds, and repairs. Does nothing before the first `sync`.
   * @throws {OverlayError} `ERR_KERNEL_FAILED`: what could be repaired is repaired
   */
  audit(signal: AbortSignal): Promise<AuditResult>;
}
