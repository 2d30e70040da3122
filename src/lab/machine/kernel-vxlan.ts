import { runCommand } from "./run-command.ts";

/** Tries, in a namespace of its own that ends with the try, whether this kernel has vxlan devices. */
export async function hasKernelVxlan(signal?: AbortSignal): Promise<boolean> {
  const device = ["link", "add", "vxlan0", "type", "vxlan", "id", "1", "dstport", "8472"];
  return (await runCommand(["unshare", "--net", "ip", ...device], { signal })).code === 0;
}
