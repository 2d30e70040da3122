/** The input language of `ip -batch`: one command for each line, words separated by blanks. */

/** One `ip` command as its words, without `ip`: `["link", "set", "dev", "flannel0", "up"]`. */
export type BatchCommand = readonly string[];

/**
 * What `ip` reads as one word: quotes, `#` and backslashes have meaning there, blanks and newlines separate. A
 * device may have such a character in its name; we leave that device alone rather than guess at quoting.
 */
const WORD = /^[^\s\p{Cc}"'#\\]+$/u;

/**
 * The commands as text for `ip -batch -`.
 * @throws {RangeError} when a word is empty or could be read as anything but one word
 */
export function formatBatch(commands: readonly BatchCommand[]): string {
  return commands.map((words) => `${words.map(checkWord).join(" ")}\n`).join("");
}

function checkWord(word: string): string {
  if (!WORD.test(word)) throw new RangeError(`Cannot pass ${JSON.stringify(word)} to ip: not a plain word`);
  return word;
}

export interface BatchFailure {
  readonly command: BatchCommand;
  /** What the kernel or `ip` said about it. */
  readonly text: string;
  /** Number of further commands that failed. */
  readonly others: number;
}

/**
 * Finds the first command that failed in what `ip -force -batch -` wrote to its error output: the reason on
 * lines of its own, then `Command failed -:LINE`. Null when it names no line, as for a word it does not know.
 */
export function firstFailure(commands: readonly BatchCommand[], stderr: string): BatchFailure | null {
  const marks = [...stderr.matchAll(/^Command failed -:(\d+)$/gm)];
  const first = marks[0];
  const command = commands[Number(first?.[1]) - 1];
  if (first === undefined || command === undefined) return null;
  const text = stderr.slice(0, first.index).trim().replaceAll("\n", "; ");
  return { command, text: text === "" ? "failed without a message" : text, others: marks.length - 1 };
}
