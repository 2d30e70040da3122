import { OverlayError } from "../../net/overlay-error.ts";

/** The error for a file that could not be used: `what` was to be done, `cause` is what the kernel or Node said. */
export function fileError(what: string, path: string, cause: unknown): OverlayError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new OverlayError("ERR_FILE_FAILED", `${what}: ${reason}`, { path }, { cause });
}

/** Whether `err` is the system's error with this name, such as ENOENT. */
export function hasErrorCode(err: unknown, code: string): boolean {
  return err instanceof Error && "code" in err && err.code === code;
}
