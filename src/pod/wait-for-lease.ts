import { readSubnetFile } from "../files/read-subnet-file.ts";
import type { SubnetFile } from "../files/subnet-file.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { pollUntil } from "./poll-until.ts";

/** Waits until this host has a subnet, and resolves with it. @throws {OverlayError} `ERR_LEASE_MISSING` after `timeoutMs`, `ERR_FILE_FAILED` */
export async function waitForLease(subnetFile: string, timeoutMs: number): Promise<SubnetFile> {
  const file = await pollUntil(async () => {
    try {
      return await readSubnetFile(subnetFile);
    } catch (err) {
      if (err instanceof OverlayError && err.code === "ERR_LEASE_MISSING") return null;
      throw err;
    }
  }, timeoutMs);
  if (file !== null) return file;
  throw new OverlayError(
    "ERR_LEASE_MISSING",
    `Cannot start a pod: after ${timeoutMs / 1000} s there is no ${subnetFile}; is twill agent running, and what does twill status say?`,
    { path: subnetFile },
  );
}
