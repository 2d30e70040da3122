/** flannel's vxlan backend: the same frames on the wire whether this process carries them or the kernel does. */
import type { Backend, BackendContext } from "../backend.ts";
import { parseVxlanOptions } from "./vxlan-options.ts";

/** Makes the vxlan backend. Only the one that is used is loaded. @throws {OverlayError} as the one that is used does */
export async function createVxlanBackend(context: BackendContext): Promise<Backend> {
  const options = parseVxlanOptions(context.options);
  if (context.carrier === "kernel") {
    const { createKernelVxlanBackend } = await import("./kernel/kernel-vxlan-backend.ts");
    return createKernelVxlanBackend(context, options);
  }
  const { createUserVxlanBackend } = await import("./user/user-vxlan-backend.ts");
  return await createUserVxlanBackend(context, options);
}
