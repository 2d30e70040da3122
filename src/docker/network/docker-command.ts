/** The `docker` program. DOCKER_HOST, DOCKER_CONTEXT and the rest of its environment work as they do for the user. */
import { failureText, runProgram } from "../../kernel/run-program.ts";
import type { Program, ProgramRun } from "../../kernel/run-program.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { escapeUntrusted } from "../../net/untrusted-text.ts";

/** An engine waits up to 15 s for a network plugin that is down, for each of a few calls. */
const DOCKER_DEADLINE_MS = 60_000;

/** Part of Docker's words that a message repeats, in UTF-16 units. */
const MAX_WORDS_SHOWN = 400;

/** Runs `docker` with these arguments, to the end; the caller looks at the exit status. */
export type DockerCommand = (args: readonly string[], signal: AbortSignal) => Promise<ProgramRun>;

/** @param program found in PATH, or a path. @throws {OverlayError} `ERR_KERNEL_FAILED` when it cannot be run */
export function createDockerCommand(program: string): DockerCommand {
  const docker: Program = {
    program,
    packageName: "docker.io or docker-ce-cli",
    deadlineMs: DOCKER_DEADLINE_MS,
  };
  return (args, signal) => runProgram(docker, args, "", signal);
}

/** The error for a run that failed: `what` was to be done. */
export function dockerError(what: string, run: ProgramRun): OverlayError {
  return new OverlayError("ERR_DOCKER_FAILED", `Cannot ${what}: ${explainFailure(failureText(run))}`);
}

/** What Docker's command line says when it does not get as far as an answer, by version: up to 28, from 29 on. */
const NO_DAEMON =
  /(?:Cannot connect to the Docker daemon|failed to connect to the docker API) at (\S+?)[.;]?(?:\s|$)/i;
const DENIED =
  /permission denied while trying to connect to the docker (?:daemon socket|API) at (\S+?):?(?:\s|$)/i;

/** Docker's words as the end of a sentence that says what to do, where that is known. */
export function explainFailure(words: string): string {
  const [, silent] = NO_DAEMON.exec(words) ?? [];
  if (silent !== undefined) {
    return `no Docker daemon answers at ${escapeUntrusted(silent)}; start it (systemctl start docker), or set DOCKER_HOST`;
  }
  const [, closed] = DENIED.exec(words) ?? [];
  if (closed !== undefined) {
    return `${escapeUntrusted(closed)} is closed to this user; run as root or as a member of the group docker`;
  }
  return escapeSentence(words.replace(/^(?:Error response from daemon|Error): /, ""));
}

/** Docker's own words are worth more room than a name: each word is escaped by itself. */
function escapeSentence(text: string): string {
  return text.slice(0, MAX_WORDS_SHOWN).split(" ").map(escapeUntrusted).join(" ");
}
