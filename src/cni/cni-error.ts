import { OverlayError } from "../net/overlay-error.ts";
import { reasonOf } from "../net/reason-of.ts";

/** What a runtime tells failures apart by: the numbers of the CNI specification 1.0.0, section 5. */
export const CNI_CODE = {
  versionUnknown: 1,
  /** Nothing of the container is here: a runtime need not clean up. */
  containerUnknown: 3,
  environmentInvalid: 4,
  ioFailed: 5,
  decodingFailed: 6,
  configInvalid: 7,
  tryAgainLater: 11,
  /** From 100 on they are the plugin's own: this one is for all that has no number there. */
  failed: 100,
  /** ADD of an interface that the container has from an earlier one. The specification forbids it and has no number. */
  alreadyAttached: 101,
} as const;

interface CniErrorOptions extends ErrorOptions {
  /** More words of a delegate. */
  readonly details?: string | undefined;
}

/** A failure with the number that a runtime decides by. */
export class CniError extends OverlayError {
  readonly cniCode: number;
  readonly details: string | undefined;

  constructor(cniCode: number, message: string, options: CniErrorOptions = {}) {
    super("ERR_CNI_FAILED", message, {}, options);
    this.cniCode = cniCode;
    this.details = options.details;
  }
}

/** What a failed plugin prints: the error as the specification wants it. Never a stack. */
export function formatError(err: unknown, cniVersion: string): string {
  const msg = reasonOf(err);
  const details = err instanceof CniError && err.details !== undefined ? { details: err.details } : {};
  return `${JSON.stringify({ cniVersion, code: cniCodeOf(err), msg, ...details })}\n`;
}

/** The specification's number for a failure, whichever room it comes from. */
export function cniCodeOf(err: unknown): number {
  if (err instanceof CniError) return err.cniCode;
  if (!(err instanceof OverlayError)) return CNI_CODE.failed;
  return err.code === "ERR_LEASE_MISSING" ? CNI_CODE.tryAgainLater : CNI_CODE.ioFailed; // what is left are files
}
