/** `twill lab exec`: a command of the user's, on a host or in a pod. */
import { spawn } from "node:child_process";
import type { Lab } from "../lab/lab.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { signalExitStatus } from "./signal-exit.ts";

const EXIT_FAILURE = 1;

/** Runs a command with our own input, output and environment, and resolves with its exit code. */
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
  const marks = Object.entries(namespace.environment).map(([name, value]) => `${name}=${value}`);
  const [program = "", ...args] = namespace.command(["env", ...marks, ...withoutDashes(argv)]);
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

/** Commander passes the `--` on that stands between place and command. */
function withoutDashes(argv: readonly string[]): readonly string[] {
  return argv[0] === "--" ? argv.slice(1) : argv;
}
