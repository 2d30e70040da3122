import { readFile } from "node:fs/promises";
import { OverlayError } from "../net/overlay-error.ts";
import { fileError, hasErrorCode } from "./file-error.ts";
import { parseSubnetFile } from "./subnet-file.ts";
import type { SubnetFile } from "./subnet-file.ts";

/** Where flannel's readers look for it. */
export const DEFAULT_SUBNET_FILE = "/run/flannel/subnet.env";

/**
 * What the agent of this host has leased.
 * @throws {OverlayError} `ERR_LEASE_MISSING` when there is no file, which is before an agent has its first lease;
 *   `ERR_FILE_FAILED` when it cannot be read or says something else
 */
export async function readSubnetFile(path: string): Promise<SubnetFile> {
  return requireSubnet(path, await readIfThere(path));
}

/**
 * The same for a subnet file whose text was read already; null: there is none.
 * @throws {OverlayError} `ERR_LEASE_MISSING`, `ERR_FILE_FAILED`
 */
export function requireSubnet(path: string, text: string | null): SubnetFile {
  if (text === null) {
    throw new OverlayError(
      "ERR_LEASE_MISSING",
      `Cannot use this host's subnet: there is no ${path} yet; start twill agent and wait for its lease`,
      { path },
    );
  }
  const file = parseSubnetFile(text);
  if (file !== null) return file;
  throw new OverlayError(
    "ERR_FILE_FAILED",
    `Cannot read the subnet file ${path}: it lacks FLANNEL_NETWORK, FLANNEL_SUBNET or FLANNEL_MTU, or one is unusable`,
    { path },
  );
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (err) {
    if (hasErrorCode(err, "ENOENT")) return null;
    throw fileError(`Cannot read the subnet file ${path}`, path, err);
  }
}
