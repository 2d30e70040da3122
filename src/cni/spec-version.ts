import { showUntrusted } from "../net/untrusted-text.ts";
import { CNI_CODE, CniError } from "./cni-error.ts";

/** Versions of the specification that are spoken here, oldest first. 1.1.0 is not: Debian's `bridge` does not know it. */
export const SUPPORTED_VERSIONS: readonly string[] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0"];

/** The newest of them. */
export const NEWEST_VERSION = "1.0.0";

/** Versions that have no CHECK. */
const WITHOUT_CHECK: readonly string[] = ["0.3.0", "0.3.1"];

/** The answer to VERSION. */
export function formatVersions(): string {
  return `${JSON.stringify({ cniVersion: NEWEST_VERSION, supportedVersions: SUPPORTED_VERSIONS })}\n`;
}

/**
 * Throws unless a network's configuration of this version can be carried out. One without a version is taken: it is
 * how flannel's plugin is documented, and the delegate decides what it means.
 * @throws {CniError} 1
 */
export function checkVersion(cniVersion: string | undefined): void {
  if (cniVersion === undefined || SUPPORTED_VERSIONS.includes(cniVersion)) return;
  throw new CniError(
    CNI_CODE.versionUnknown,
    `Cannot use cniVersion ${showUntrusted(cniVersion)}: twill-cni speaks ${SUPPORTED_VERSIONS.join(", ")}, set one of them in the network's configuration`,
  );
}

/** Throws when this version has no CHECK. @throws {CniError} 1 */
export function checkVersionHasCheck(cniVersion: string | undefined): void {
  if (cniVersion !== undefined && !WITHOUT_CHECK.includes(cniVersion)) return;
  throw new CniError(
    CNI_CODE.versionUnknown,
    `Cannot check the attachment: cniVersion ${cniVersion ?? "(absent)"} has no CHECK, set 0.4.0 or 1.0.0 in the network's configuration`,
  );
}
