/** The door for tests to labs: hosts as network namespaces on a real kernel, with a real etcd. Needs root. */
import { createLab as createLabFor } from "../../src/lab/create-lab.ts";
import type { CreateLabOptions } from "../../src/lab/create-lab.ts";
import type { Lab } from "../../src/lab/lab.ts";

export type { Lab } from "../../src/lab/lab.ts";
export type { LabAgent } from "../../src/lab/host/lab-agent.ts";
export type { LabHost } from "../../src/lab/host/lab-host.ts";
export type { LabPod } from "../../src/lab/host/lab-pod.ts";

/**
 * Makes a lab that ends with the test (`await using`) or, if the test's process is killed, before the next
 * test's lab. Every agent is ready and knows all others; each host has one pod.
 */
export async function createLab(options: Omit<CreateLabOptions, "owner"> & { owner?: "test" }): Promise<Lab> {
  return await createLabFor({ ...options, owner: "test" });
}
