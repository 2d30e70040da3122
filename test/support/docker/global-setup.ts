/** Before the tests of the project `docker`: one line where they cannot run. */
import { engineLacks } from "./engine-machine.ts";

export function setup(): void {
  const lacks = engineLacks();
  if (lacks !== null) console.info(`Tests on Docker engines are skipped. ${lacks}`);
}
