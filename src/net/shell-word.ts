import { escapeUntrusted } from "./untrusted-text.ts";

/** What no shell takes for more than it is. */
const PLAIN = /^[A-Za-z0-9_./][A-Za-z0-9_./-]*$/;

/** The text as one word of a command line that a person may paste. */
export function shellWord(text: string): string {
  return PLAIN.test(text) ? text : `'${escapeUntrusted(text).replaceAll("'", "'\\''")}'`;
}
