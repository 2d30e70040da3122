/** `twill lab exec`: a command of the user's, on a host or in a pod. */
import { spawn } from "node:child_process";
import type { Lab } from "../lab/lab.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { signalExitStatus } from "./signal-exit.ts";

const EXIT_FAILURE = 1;

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
  const [program = "", ...args] = namespace.command(["env", ...marks, ...argv]);
  // Ctrl-C is the command's: it reaches the whole foreground group, and we must outlive it for its exit code.
  const ignore = (): void => undefined;
  process.on("SIGINT", ignore);
  try {
    return await new Promise((resolve, reject) => {
      const child = spawn(program, args, { stdio: "inherit" });
      child.once("error", (err) =>
        reject(new OverlayError("ERR_LAB_FAILED", `Cannot run ${program}: ${err.message}`)),
      );
      child.once("exit", (code, signal) => {
        resolve(code ?? (signal === null ? EXIT_FAILURE : signalExitStatus(signal)));
      });
    });
  } finally {
    process.off("SIGINT", ignore);
  }
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

/**
 * The command in what follows the place. Commander passes the `--` on that stands between them.
 * @throws {OverlayError} `ERR_OPTION_INVALID` when there is none, or what looks like an option stands there
 */
export function commandOf(argv: readonly string[]): readonly string[] {
  const command = argv[0] === "--" ? argv.slice(1) : argv;
  const [program = ""] = command;
  if (program === "") {
    throw new OverlayError("ERR_OPTION_INVALID", "Cannot run a command in the lab: none is given after --");
  }
  if (program.startsWith("-")) {
    throw new OverlayError(
      "ERR_OPTION_INVALID",
      `Cannot run ${JSON.stringify(program)} as a command: options of lab exec go before the host or pod`,
    );
  }
  return command;
}
