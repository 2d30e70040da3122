/**
 * Calling a CNI plugin: an executable that is told what to do by variables and its standard input, and that answers on
 * its standard output.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";

/** What is run, and how. */
export interface PluginProgram {
  /** The program and its arguments; no shell reads them. */
  readonly argv: readonly string[];
  /** Its variables; absent: those of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What it writes to its standard error: to ours, or into the answer. */
  readonly log: "inherit" | "pipe";
}

/** What a call came to. */
export interface PluginAnswer {
  /** How it ended, in words. Null: with exit status 0, and its answer is whole. */
  readonly failure: string | null;
  readonly stdout: string;
  /** Empty where it went to our own standard error. */
  readonly log: string;
}

/** Kept of each output, in UTF-16 units: far beyond any answer. */
const MAX_OUTPUT = 2 ** 20;

/** A signal that is aborted after this time, with the words for it. It keeps no process alive. */
export function deadlineAfter(deadlineMs: number): AbortSignal {
  const controller = new AbortController();
  const reason = new Error(`no end within ${deadlineMs / 1000} s, killed`);
  setTimeout(() => controller.abort(reason), deadlineMs).unref();
  return controller.signal;
}

/**
 * Runs a plugin to its end, or until the signal kills it. Never rejects.
 * @param config - what it reads from its standard input, as JSON
 */
export async function callPlugin(
  { argv, env, log }: PluginProgram,
  config: object,
  signal: AbortSignal,
): Promise<PluginAnswer> {
  const [file = "", ...args] = argv;
  let child: ChildProcess;
  try {
    child = spawn(file, args, { ...(env && { env }), stdio: ["pipe", "pipe", log] });
  } catch (err) {
    return { failure: err instanceof Error ? err.message : String(err), stdout: "", log: "" };
  }
  const [stdout, logged] = [collectOutput(child.stdout), collectOutput(child.stderr)];
  child.stdin?.on("error", () => undefined); // it may end without reading all: its answer tells
  child.stdin?.end(JSON.stringify(config));
  const failure = await failureOf(child, signal);
  const tooMuch = stdout().length > MAX_OUTPUT ? "it printed more than 1 MiB" : null;
  return { failure: failure ?? tooMuch, stdout: stdout(), log: logged() };
}

async function failureOf(child: ChildProcess, signal: AbortSignal): Promise<string | null> {
  const ended = new Promise<string | null>((resolve) => {
    child.once("error", (err) => resolve(err.message));
    child.once("close", (code, by) => resolve(describeEnd(code, by)));
  });
  const isLate = await Promise.race([ended.then(() => false), tooLate(signal).then(() => true)]);
  if (isLate) child.kill("SIGKILL");
  const failure = await ended;
  return isLate ? await tooLate(signal) : failure;
}

function describeEnd(code: number | null, by: string | null): string | null {
  if (code === null) return `killed by ${by ?? "a signal"}`;
  return code === 0 ? null : `exit status ${code}`;
}

async function tooLate(signal: AbortSignal): Promise<string> {
  if (!signal.aborted) await once(signal, "abort");
  return signal.reason instanceof Error ? signal.reason.message : String(signal.reason);
}

/** Reads a stream to its end, dropping what is beyond the bound; the function it returns gives what has come so far. */
function collectOutput(stream: Readable | null): () => string {
  let text = "";
  stream?.setEncoding("utf8");
  stream?.on("data", (piece: string) => {
    text = (text + piece).slice(0, MAX_OUTPUT + 1);
  });
  return () => text;
}
