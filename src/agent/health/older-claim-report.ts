import type { Logger } from "pino";
import { escapeUntrusted, showUntrusted } from "../../net/untrusted-text.ts";
import { leaseKey } from "../../subnet-lease/lease-codec.ts";
import type { SubnetLease } from "../../subnet-lease/lease.ts";

/** Tells of an older lease with our address: once in the log, and as long as it stands in `/readyz`. */
export class OlderClaimReport {
  readonly #etcdPrefix: string;
  readonly #log: Logger;
  #toldKey: string | null = null;

  constructor(etcdPrefix: string, log: Logger) {
    this.#etcdPrefix = etcdPrefix;
    this.#log = log;
  }

  /** Why peers do not send to us, or null; `claim` is the lease that they prefer. */
  problem(claim: SubnetLease | null): string | null {
    if (claim === null) {
      this.#toldKey = null;
      return null;
    }
    const key = leaseKey(this.#etcdPrefix, claim.subnet, claim.subnet6);
    const remedy = `etcdctl del ${claim.subnet6 === null ? key : `'${key}'`}`; // dual stack: & is the shell's
    const subnet = claim.subnet.toString();
    const { nodeId, underlayIp } = claim.attributes;
    if (this.#toldKey !== key) {
      this.#toldKey = key;
      const node = nodeId === null ? {} : { nodeId: escapeUntrusted(nodeId) };
      this.#log.error(
        { subnet, underlayIp: underlayIp.toString(), ...node, remedy },
        "An older lease has the address of this node, peers do not send to ours; delete it if it is stale",
      );
    }
    const whose = nodeId === null ? "a node without id" : `node ${showUntrusted(nodeId)}`;
    return `Peers send to an older lease with this address, ${subnet} of ${whose}; if it is stale: ${remedy}`;
  }
}
