/**
 * Go's flag syntax, which every flanneld command line is written in: one or two dashes, `-x=v` or `-x v`, and
 * switches that take a value only with `=`. Rewritten to the one form `--x=v` that commander reads.
 */
import { showUntrusted } from "../../net/untrusted-text.ts";
import type { OptionDefinition } from "./option-kinds.ts";
import { unknownFlagError, usageError } from "./usage-error.ts";

const FLAG = /^--?([^-=][^=]*)(?:=(.*))?$/s;
const HELP_NAMES = new Set(["h", "help"]);

/**
 * The arguments as `--name=value`, or `["--help"]` when help is asked for.
 * @throws {OverlayError} `ERR_OPTION_INVALID` for an unknown flag, a flag without its value, or a word that
 *   belongs to no flag (flannel would ignore everything from there on)
 */
export function normalizeGoFlags(
  args: readonly string[],
  definitions: readonly OptionDefinition<unknown>[],
): string[] {
  const byName = new Map(definitions.map((definition) => [definition.name, definition]));
  const normalized: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    const match = FLAG.exec(arg);
    if (match === null) throw strayWordError(arg);
    const name = match[1] ?? "";
    if (HELP_NAMES.has(name)) return ["--help"];
    const definition = byName.get(name);
    if (definition === undefined) throw unknownFlagError(name, [...byName.keys()]);
    const value = match[2] ?? (definition.kind === "boolean" ? "true" : args[++i]);
    if (value === undefined)
      throw usageError(`Cannot use flag --${name}: it needs a value (${definition.range})`);
    normalized.push(`--${name}=${value}`);
  }
  return normalized;
}

function strayWordError(word: string): Error {
  const hint = /^(true|false)$/i.test(word) ? "; a switch takes its value with =, as in --ip-masq=true" : "";
  return usageError(`Cannot use argument ${showUntrusted(word)}: only flags are expected${hint}`);
}
