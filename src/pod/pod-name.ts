import { OverlayError } from "../net/overlay-error.ts";
import { showUntrusted } from "../net/untrusted-text.ts";

/** A DNS label: it is part of a path and of the id that CNI plugins know the pod by. */
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Whether `text` can name a pod. */
export function isPodName(text: string): boolean {
  return NAME.test(text);
}

/** The name, checked. @throws {OverlayError} `ERR_OPTION_INVALID` */
export function requirePodName(text: string): string {
  if (isPodName(text)) return text;
  throw new OverlayError(
    "ERR_OPTION_INVALID",
    `Cannot use ${showUntrusted(text)} as the name of a pod: need 1 to 63 lower-case letters, digits and inner hyphens`,
  );
}
