import { constants } from "node:os";

const SIGNAL_EXIT_BASE = 128;

/** What a shell answers for a program that this signal ended: 128 plus its number. */
export function signalExitStatus(name: NodeJS.Signals): number {
  return SIGNAL_EXIT_BASE + constants.signals[name];
}
