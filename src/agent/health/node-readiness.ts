/** What each event of the overlay means for `/readyz`. */
import type { Clock } from "../../net/clock.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import type { OverlayError } from "../../net/overlay-error.ts";
import type { FollowerStatus } from "../../subnet-lease/follow-leases.ts";
import type { LeaseState } from "../../subnet-lease/lease-state.ts";
import { NOT_WRITTEN_YET } from "../files/subnet-file-keeper.ts";
import { subnetOf } from "../../subnet-lease/lease-state.ts";
import type { OverlayEvent } from "../overlay/overlay.ts";
import { Readiness } from "./readiness.ts";
import { RegistryContact } from "./registry-contact.ts";

const NOT_FORWARDED_YET = "Forwarding does not run for the subnet yet";

export class NodeReadiness {
  readonly #readiness: Readiness;
  readonly #contact: RegistryContact;
  /** etcd has answered, if only that there is no config. */
  #hasAnswered = false;
  /** The subnet that is leased, or was by the last run. */
  #leasedSubnet: Ipv4Prefix | null = null;
  /** The subnet that the backend was last seen open for. */
  #forwardedSubnet: Ipv4Prefix | null = null;

  /** `onChange` hears of each change of {@link reason}. */
  constructor(clock: Clock, onChange: (reason: string | null) => void) {
    this.#readiness = new Readiness("Waiting for the network config: etcd has not answered yet", onChange);
    this.#readiness.set("subnet-file", NOT_WRITTEN_YET);
    this.#readiness.set("firewall", "Firewall rules are not made yet");
    this.#contact = new RegistryContact(clock);
  }

  /** Why the agent is not ready, or null when it is. */
  get reason(): string | null {
    return this.#readiness.reason;
  }

  /** An attempt to read the network config has failed. */
  onConfigWait(err: OverlayError): void {
    this.#hasAnswered ||= err.code !== "ERR_REGISTRY_UNAVAILABLE";
    this.#readiness.set("start", waitReason(err, this.#hasAnswered));
  }

  /** The network config is known. */
  onConfig(): void {
    this.#readiness.set("start", "Leasing a subnet and reading the leases of the others");
  }

  onLease(state: LeaseState): void {
    this.#leasedSubnet = subnetOf(state);
    if (!this.#isForwarded()) this.#readiness.set("peers", NOT_FORWARDED_YET);
    this.#readiness.set("lease", leaseProblem(state));
  }

  onForwarding({ outcome, isComplete }: Extract<OverlayEvent, { kind: "forwarding" }>): void {
    if (outcome.problem === null) this.#forwardedSubnet = outcome.subnet;
    if (outcome.problem === null && outcome.subnet !== null && isComplete) this.#readiness.set("start", null);
    // What was begun before the lease moved may end after it.
    this.#readiness.set("peers", outcome.problem ?? (this.#isForwarded() ? null : NOT_FORWARDED_YET));
  }

  /** `problem` says why there is no usable underlay, or why the node could not be moved to it. */
  onUnderlay(problem: string | null): void {
    this.#readiness.set("underlay", problem);
  }

  /** The rules were tried: containers may start. When that failed the log says so, and it is tried again. */
  onFirewall(): void {
    this.#readiness.set("firewall", null);
  }

  /** `problem` says which older lease has our address. */
  onOlderClaim(problem: string | null): void {
    this.#readiness.set("address", problem);
  }

  onSubnetFile(problem: string | null): void {
    this.#readiness.set("subnet-file", problem);
  }

  /** Silence has no event: to be called again and again. */
  onRegistry(follower: Pick<FollowerStatus, "isConnected" | "lastContactMs">): void {
    this.#readiness.set("registry", this.#contact.problem(follower));
  }

  #isForwarded(): boolean {
    return this.#leasedSubnet !== null && this.#forwardedSubnet?.equals(this.#leasedSubnet) === true;
  }
}

function waitReason({ code, message }: OverlayError, hasAnswered: boolean): string {
  switch (code) {
    case "ERR_REGISTRY_UNAVAILABLE":
      return `Waiting for the network config: etcd ${hasAnswered ? "does not answer" : "has not answered yet"}`;
    case "ERR_CONFIG_INVALID":
    case "ERR_BACKEND_UNKNOWN":
      return `Waiting for a valid network config in etcd: ${message}`;
    case "ERR_REGISTRY_DENIED":
      return "Waiting for the network config: etcd denies it";
    default:
      return "Waiting for the network config in etcd";
  }
}

function leaseProblem(state: LeaseState): string | null {
  switch (state.kind) {
    case "none":
      return "No subnet is leased yet";
    case "cached":
      return "etcd has not confirmed the subnet of the last run yet";
    case "held":
      return null;
    case "lost":
      return `The subnet is lost: ${state.reason}`;
  }
}
