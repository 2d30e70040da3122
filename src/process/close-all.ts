import type { Logger } from "pino";

/** Something that was opened and holds a resource until it is closed. */
export interface Closable {
  close(): Promise<void> | void;
}

/**
 * Closes everything, one after the other. A part that fails gets a line and does not keep the next from being
 * closed; nor does its error take the place of the one for which everything is closed. Never rejects.
 */
export async function closeAll(parts: readonly Closable[], log: Logger): Promise<void> {
  for (const part of parts) {
    try {
      await part.close();
    } catch (err) {
      log.error({ err }, "Cannot close cleanly");
    }
  }
}
