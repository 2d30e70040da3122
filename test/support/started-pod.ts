/** A pod of a test, and who is in its network. */
import { readdirSync, readlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { expect } from "vitest";
import { isRunning } from "../../src/files/process-identity.ts";
import type { PodRecord } from "../../src/pod/pod-record.ts";
import { eventually } from "./eventually.ts";
import type { PodHost } from "./pod-host.ts";

/** A pod as it was when it came up. */
export interface StartedPod {
  readonly address: string;
  readonly record: PodRecord;
  /** The kernel's name of its namespace, as net:[4026532345]. */
  readonly netns: string;
}

/** Makes a pod that must come up and stay long enough to be asked. */
export async function startPod(host: PodHost, name: string, command: readonly string[]): Promise<StartedPod> {
  const { code, stdout, stderr } = await host.run(name, command);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const netns = await host.exec(name, ["readlink", "/proc/self/ns/net"]);
  return { address: stdout.trim(), record: await recordOf(host, name), netns: netns.stdout.trim() };
}

/** The pod's record. */
export async function recordOf(host: PodHost, name: string): Promise<PodRecord> {
  return JSON.parse(await readFile(host.recordFile(name), "utf8")) as PodRecord;
}

/** Who is in a namespace, as the kernel tells. */
export function pidsIn(netns: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/ns/net`) === netns;
      } catch {
        return false; // no process, or gone
      }
    });
}

/** Ends the first process alone. */
export async function killLeader({ record }: StartedPod): Promise<void> {
  process.kill(record.process.pid, "SIGKILL");
  await eventually(() => expect(isRunning(record.process)).toBe(false));
}
