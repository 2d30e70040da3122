/** When a subnet we forward for is ours no longer, and why. Pure. */
import type { Ipv4Prefix } from "../net/ipv4.ts";
import { showUntrusted } from "../net/untrusted-text.ts";
import type { LeaseList } from "./lease-list.ts";
import { findHolder } from "./plan-acquisition.ts";
import type { AcquisitionStep, NodeIdentity } from "./plan-acquisition.ts";

/** True when after `step` the node still has `subnet`, or will take it next. */
export function isKeptBy(step: AcquisitionStep, subnet: Ipv4Prefix): boolean {
  switch (step.kind) {
    case "adopt":
      return step.lease.subnet.equals(subnet);
    case "create":
      return step.subnet.equals(subnet);
    case "drop":
      return !step.lease.subnet.equals(subnet);
    case "exhausted":
      return false;
  }
}

/** Who or what has taken `subnet` from us, fit for a log line. */
export function explainLoss(list: LeaseList, subnet: Ipv4Prefix, identity: NodeIdentity): string {
  const holder = findHolder(list, subnet, identity);
  if (holder === null) return "this node has another lease, or the subnet is not in the network config";
  const name = holder.subnet.toString();
  if (holder.attributes === null) return `the lease on ${name} cannot be read, ${holder.reason}`;
  const { nodeId, underlayIp } = holder.attributes;
  const node = nodeId === null ? "a node without id" : `node ${showUntrusted(nodeId)}`;
  return `${node} at ${underlayIp.toString()} has the lease on ${name}`;
}
