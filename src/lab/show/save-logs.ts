import { copyFile, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OverlayError } from "../../net/overlay-error.ts";
import type { Lab } from "../lab.ts";

/** Copies the logs of a lab that is about to go; resolves with the folder that keeps them. */
export async function saveLogs(lab: Lab): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `twill-${lab.name}-logs-`));
  const logs = [
    ...lab.hosts.map((host) => [host.files.logFile, `${host.name}-agent.log`] as const),
    [lab.etcd.logFile, "etcd.log"] as const,
  ];
  // What did not get as far as to write one is no further failure.
  await Promise.all(logs.map(([from, name]) => copyFile(from, join(folder, name)).catch(() => undefined)));
  return folder;
}

/** The failure with the place of the logs in its message. */
export function withLogs(err: unknown, folder: string): OverlayError {
  const message = err instanceof Error ? err.message : String(err);
  const code = err instanceof OverlayError ? err.code : "ERR_LAB_FAILED";
  return new OverlayError(code, `${message}\nThe logs are kept in ${folder}`, {}, { cause: err });
}
