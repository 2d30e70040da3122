import { signalExitStatus } from "./signal-exit.ts";

/**
 * Runs `work` so that SIGINT and SIGTERM make it clean up after itself, and, when `out` is given, a reader of it that
 * goes away; the exit code then names the signal, and a line says what `outcome` that has.
 */
export async function interruptible(
  work: (signal: AbortSignal) => Promise<void>,
  out?: NodeJS.WritableStream,
  outcome = "all of the lab is taken down",
): Promise<void> {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals): void => {
    controller.abort(name); // a further one changes nothing: the first one's reason stays
  };
  const stopAtClosedPipe = (): void => stop("SIGPIPE"); // which Node ignores; its trace is a failed write
  process.on("SIGINT", stop).on("SIGTERM", stop);
  out?.on("error", stopAtClosedPipe);
  try {
    await work(controller.signal);
  } catch (err) {
    if (!controller.signal.aborted) throw err;
    const name = controller.signal.reason as NodeJS.Signals;
    process.stderr.write(`twill: interrupted by ${name}, ${outcome}\n`);
    process.exitCode = signalExitStatus(name);
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
    out?.off("error", stopAtClosedPipe);
  }
}
