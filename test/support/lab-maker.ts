/**
 * A process that makes a lab and stops itself at a given moment, to be killed there. Arguments: folder of labs, owner,
 * name, and the moment: a part of a step's words, or `up`, when all stands.
 */
import { writeSync } from "node:fs";
import { createLab } from "../../src/lab/create-lab.ts";
import type { LabOwner } from "../../src/lab/record/lab-record.ts";

const STDOUT = 1;
const [stateDirectory = "", owner = "test", name = "", moment = "up"] = process.argv.slice(2);

/** At once, before anything else happens here. */
function stopHere(): void {
  writeSync(STDOUT, "here\n");
  process.kill(process.pid, "SIGSTOP");
}

const lab = await createLab({
  stateDirectory,
  owner: owner as LabOwner,
  name,
  hosts: 2,
  agents: false,
  onProgress: (done) => {
    if (done.includes(moment)) stopHere();
  },
});
const probe = lab.host(0).startPing("192.0.2.2"); // no record names it
await probe.waitForAnswers(1, 5_000);
stopHere();
