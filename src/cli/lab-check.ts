/** What is checked of `twill lab up` beyond the lab's own rules: what its agents would refuse a minute later. */
import { countOf } from "../lab/show/count-of.ts";
import { ipv4SizeOf } from "../net/ipv4.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { parseNetworkConfig } from "../subnet-lease/network-config.ts";
import type { NetworkConfig } from "../subnet-lease/network-config.ts";

/** Of each subnet the pods do not get its own address, the gateway and the broadcast. */
const ADDRESSES_NOT_FOR_PODS = 3;

/** The part of the options that depends on how the network is cut into subnets. */
export interface NetworkDemand {
  readonly network: string;
  readonly hosts: number;
  readonly pods: number;
}

/** Throws unless the network has a subnet for each host and an address for each pod. @throws {OverlayError} `ERR_OPTION_INVALID` */
export function checkNetworkHolds({ network, hosts, pods }: NetworkDemand): void {
  const { subnetLength, subnetMin, subnetMax } = readNetwork(network);
  const size = ipv4SizeOf(subnetLength);
  const subnets = (subnetMax.value - subnetMin.value) / size + 1;
  if (hosts > subnets) {
    throw unusable(
      network,
      `it has ${subnets} subnets of /${subnetLength} to lease, for ${countOf(hosts, "host")}`,
    );
  }
  const places = size - ADDRESSES_NOT_FOR_PODS;
  if (pods > places) {
    throw unusable(
      network,
      `its subnets of /${subnetLength} have room for ${countOf(places, "pod")}, not for ${pods}`,
    );
  }
}

function readNetwork(network: string): NetworkConfig {
  try {
    return parseNetworkConfig(JSON.stringify({ Network: network }));
  } catch (err) {
    throw err instanceof OverlayError ? unusable(network, err.message) : err;
  }
}

function unusable(network: string, problem: string): OverlayError {
  return new OverlayError("ERR_OPTION_INVALID", `Cannot use --network ${network}: ${problem}`);
}
