/**
 * Names of engines. One names the engine's folder, its cgroups and the mark in its processes' environment, and says whose
 * it is: `PID-STARTTICKS-NAMESPACE`, the process that made it and where it runs. So an engine needs no record to be found.
 */
import { join } from "node:path";
import type { ProcessIdentity } from "../../../src/files/process-identity.ts";

/** Folder of every engine. Not /run or /tmp: images and layers may be too much for memory. */
export const ENGINES_DIRECTORY = "/var/lib/twill-test-engines";

/** Environment variable by which an engine's processes are known: dockerd, containerd, shims, proxies. */
export const ENGINE_VARIABLE = "TWILL_TEST_ENGINE";

const ENGINE_NAME = /^([1-9][0-9]*)-([0-9]+)-[a-z0-9][a-z0-9-]*$/;

/** Name of the engine that `maker` starts in a namespace. */
export function engineName(maker: ProcessIdentity, namespace: string): string {
  return `${maker.pid}-${maker.startTicks}-${namespace}`;
}

/** The process that made an engine, or null when `name` is no engine's. */
export function makerOf(name: string): ProcessIdentity | null {
  const [, pid, startTicks] = ENGINE_NAME.exec(name) ?? [];
  return pid === undefined || startTicks === undefined ? null : { pid: Number(pid), startTicks };
}

/** Folder of one engine. */
export function engineDirectory(name: string): string {
  return join(ENGINES_DIRECTORY, name);
}

/** Parent of the cgroups of an engine's containers, as dockerd takes it. */
export function cgroupParent(name: string): string {
  return `/twill-test-engine-${name}`;
}
