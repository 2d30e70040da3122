import type { LabHost } from "../lab/host/lab-host.ts";
import type { LabPod } from "../lab/host/lab-pod.ts";
import type { Lab } from "../lab/lab.ts";

/** Where is measured: packets go from the sender's pod over both hosts to the receiver's. */
export interface BenchPlace {
  readonly lab: Lab;
  readonly senderHost: LabHost;
  readonly receiverHost: LabHost;
  readonly sender: LabPod;
  readonly receiver: LabPod;
}

/** The place in a lab of two hosts with a pod each. */
export function benchPlace(lab: Lab): BenchPlace {
  const [senderHost, receiverHost] = [lab.host(0), lab.host(1)];
  return { lab, senderHost, receiverHost, sender: senderHost.pod, receiver: receiverHost.pod };
}
