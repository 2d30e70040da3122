/** Names of the plugin's devices: 15 characters at most, told apart by 48 bits of Docker's ids. */
import { shortId } from "../../short-id.ts";

export function defaultBridgeName(networkId: string): string {
  return `tw-${shortId(networkId)}`;
}

/** The host's end of a container's veth. */
export function hostDevice(endpointId: string): string {
  return `twh${shortId(endpointId)}`;
}

/** The container's end, until Docker moves and renames it. */
export function containerDevice(endpointId: string): string {
  return `twc${shortId(endpointId)}`;
}
