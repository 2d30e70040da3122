/** Whether this machine can run engines, and what tests do where it cannot. */
import { describe } from "vitest";
import { checkMachine, thisMachine } from "../../../src/lab/machine/required-tools.ts";

/** Programs an engine needs besides a lab's, and the Debian package that brings each. */
const ENGINE_TOOLS: ReadonlyMap<string, string> = new Map([
  ["dockerd", "docker.io"],
  ["docker", "docker.io"],
  ["busybox", "busybox-static"],
  ["tar", "tar"],
  ["slirp4netns", "slirp4netns"],
  ["debootstrap", "debootstrap"],
  ["systemd-socket-activate", "systemd"],
]);

/** Says at once everything that keeps an engine from running here. @throws {OverlayError} `ERR_LAB_FAILED` */
export function checkEngineMachine(): void {
  checkMachine(thisMachine(), ENGINE_TOOLS);
}

/** Why no engine runs here, in a sentence that says what to install; null where one does. */
export function engineLacks(): string | null {
  try {
    checkEngineMachine();
    return null;
  } catch (err) {
    return err instanceof Error ? err.message : String(err);
  }
}

/** A `describe` that is skipped where no engine runs. In CI nothing is: the tests then fail, and say what is missing. */
export const describeOnEngines = describe.skipIf(process.env.CI === undefined && engineLacks() !== null);
