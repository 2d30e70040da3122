import type { Namespace } from "./namespace.ts";

/**
 * Makes the host's end of the underlay behave as a network card: checksums and segments are finished before packets
 * leave. Between two ends of a veth the kernel leaves both to the receiver, inside VXLAN frames too, and a receiver in user
 * space cannot tell: TCP from the kernel's vxlan device to an agent would stand still.
 */
export async function finishPackets(host: Namespace, signal?: AbortSignal): Promise<void> {
  await host.execChecked(["ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off"], { signal });
}

const KERNEL_FLAG = "--datapath=kernel";

/** Whether packets go between the kernel's vxlan device and agents, for agents with these flags. */
export function mixesDataPaths(backendType: string, flagsOfHosts: readonly (readonly string[])[]): boolean {
  if (backendType !== "vxlan") return false;
  const inKernel = flagsOfHosts.filter((flags) => flags.includes(KERNEL_FLAG)).length;
  return inKernel > 0 && inKernel < flagsOfHosts.length;
}
