import { escapeUnprintable } from "./untrusted-text.ts";

/** What no shell takes for more than it is. */
const PLAIN = /^[A-Za-z0-9_./@%+:,][A-Za-z0-9_./@%+=:,-]*$/;

/**
 * The text as one word of a command line that a person may paste, whole whatever its length. What cannot be
 * printed stands as an escape: the command line is then to be read, for no shell takes the escape for what it was.
 */
export function shellWord(text: string): string {
  return PLAIN.test(text) ? text : `'${escapeUnprintable(text).replaceAll("'", "'\\''")}'`;
}
