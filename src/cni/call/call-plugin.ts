/**
 * Calling a CNI plugin: an executable that is told what to do by variables and its standard input, and that answers on
 * its standard output. It may start others, as `bridge` starts `host-local`, which have its pipes: they are a group, and
 * one that takes too long is killed as a whole.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { reasonOf } from "../../net/reason-of.ts";

/** What is run, and how. */
export interface PluginProgram {
  /** Path of the program; no shell reads it. */
  readonly path: string;
  /** All of its variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
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
/** For what is in the pipes when a plugin has ended, and for one that was killed to be gone: both take milliseconds. */
const LAST_WORDS_MS = 1_000;

/** A signal that is aborted after this time, with the words for it. It keeps no process alive. */
export function deadlineAfter(deadlineMs: number): AbortSignal {
  const controller = new AbortController();
  const reason = new Error(`no end within ${deadlineMs / 1000} s, killed with all that it had started`);
  setTimeout(() => controller.abort(reason), deadlineMs).unref();
  return controller.signal;
}

/**
 * Runs a plugin to its end, or until the signal kills it and all that it started. Nobody waits for a process that holds
 * its pipes beyond that. Never rejects.
 * @param config - what it reads from its standard input, as JSON
 */
export async function callPlugin(
  { path, env, log }: PluginProgram,
  config: object,
  signal: AbortSignal,
): Promise<PluginAnswer> {
  let child: ChildProcess;
  try {
    // Detached: it leads a group of its own, which has its pid.
    child = spawn(path, { env, stdio: ["pipe", "pipe", log], detached: true });
  } catch (err) {
    return { failure: reasonOf(err), stdout: "", log: "" };
  }
  const [stdout, logged] = [collectOutput(child.stdout), collectOutput(child.stderr)];
  child.stdin?.on("error", () => undefined); // it may end without reading all: its answer tells
  child.stdin?.end(JSON.stringify(config));
  const failure = await failureOf(child, signal);
  const tooMuch = stdout().length > MAX_OUTPUT ? "it printed more than 1 MiB" : null;
  return { failure: failure ?? tooMuch, stdout: stdout(), log: logged() };
}

async function failureOf(child: ChildProcess, signal: AbortSignal): Promise<string | null> {
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const ended = new Promise<string | null>((resolve) => {
    child.once("error", (err) => resolve(err.message));
    child.once("exit", (code, by) => resolve(describeEnd(code, by)));
  });
  const failure = await Promise.race([ended, tooLate(signal)]);
  if (failure !== null) killGroup(child); // not after a success: what a plugin leaves on purpose is its own affair
  await Promise.race([closed, delay(LAST_WORDS_MS, undefined, { ref: false })]);
  for (const stream of child.stdio) stream?.destroy();
  child.unref(); // where the kernel holds it, against SIGKILL too
  return failure;
}

function describeEnd(code: number | null, by: string | null): string | null {
  if (code === null) return `killed by ${by ?? "a signal"}`;
  return code === 0 ? null : `exit status ${code}`;
}

async function tooLate(signal: AbortSignal): Promise<string> {
  if (!signal.aborted) await once(signal, "abort");
  return signal.reason instanceof Error ? signal.reason.message : String(signal.reason);
}

/** Called while its leader lives or has just ended: its number is nobody else's yet. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // ESRCH: nobody is left
  }
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
