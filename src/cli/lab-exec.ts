/** `twill lab exec`: a command of the user's, on a host or in a pod. */
import type { Lab } from "../lab/lab.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { runInForeground } from "./run-in-foreground.ts";

/** Runs a command with our own input, output and environment, on a host with its agent's paths, and resolves with its exit code. */
export async function execIn(lab: Lab, where: string, argv: readonly string[]): Promise<number> {
  const node = lab.find(where);
  if (node === null) {
    const names = [...lab.hosts, ...lab.pods].map(({ name }) => name).join(", ");
    throw new OverlayError(
      "ERR_OPTION_INVALID",
      `Cannot run a command in ${JSON.stringify(where)}: the lab has ${names}`,
    );
  }
  const { namespace } = node;
  const marks = Object.entries({ ...namespace.environment, ...agentPaths(lab, where) }).map(
    ([name, value]) => `${name}=${value}`,
  );
  return await runInForeground(namespace.command(["env", ...marks, ...argv]), "ERR_LAB_FAILED");
}

/** The host's own files, as the agent's variables: the file system is the machine's, and `twill cleanup` removes files. */
function agentPaths(lab: Lab, where: string): Record<string, string> {
  const files = lab.hosts.find(({ name }) => name === where)?.files;
  if (files === undefined) return {};
  return {
    TWILL_RUN_DIR: files.runDirectory,
    TWILL_STATE_DIR: files.stateDirectory,
    FLANNELD_SUBNET_FILE: files.subnetFile,
  };
}
