/**
 * Kinds of option values: how a text from the command line or the environment becomes a value, and what to
 * say of the texts that do not. One table of definitions (agent-options.ts) is made of them.
 */
import { isIP } from "node:net";
import { Ipv4Address } from "../../net/ipv4.ts";
import { Ipv6Address } from "../../net/ipv6.ts";

/** Where an option comes from: flannel's own flag, or an addition of twill. */
export type OptionOrigin = "flannel" | "twill";

/** One option of `twill agent`. `T` is the type of its value; a repeatable option has an array. */
export interface OptionDefinition<T> {
  /** Flag without dashes. */
  readonly name: string;
  /** Variable that is read when the flag is not given; null when there is none. */
  readonly variable: string | null;
  readonly kind: "boolean" | "text" | "integer" | "choice" | "address" | "pattern" | "list";
  readonly isRepeatable: boolean;
  /** The value when neither flag nor variable is there. */
  readonly fallback: T;
  /** What values are good, for help and error messages. */
  readonly range: string;
  readonly description: string;
  readonly origin: OptionOrigin;
  /** Never printed. */
  readonly isSecret: boolean;
  /** It names a file that is read again while the agent runs; everything else needs a restart. */
  readonly isReread: boolean;
  /** The value, or undefined when one of `texts` is not in `range`. Only repeatable options get several. */
  readonly parse: (texts: readonly string[]) => T | undefined;
}

interface Wording {
  readonly name: string;
  readonly description: string;
  readonly origin?: OptionOrigin;
  readonly isSecret?: boolean;
  readonly isReread?: boolean;
  /** False for flags that only make sense on a command line. */
  readonly hasVariable?: boolean;
}

/** Spellings of Go's `strconv.ParseBool`. */
const TRUE_TEXTS = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const FALSE_TEXTS = new Set(["0", "f", "F", "false", "FALSE", "False"]);
const INTEGER_TEXT = /^[+-]?[0-9]{1,15}$/; // 15 digits: exact in a JavaScript number
/**
 * A longer pattern is a mistake. What it is matched against is short as well (an interface name or address
 * has at most 15 characters), so JavaScript's backtracking cannot run away.
 */
const MAX_PATTERN_LENGTH = 256;

/** `FLANNELD_X` for flannel's flags, so a flannel environment file keeps working; `TWILL_X` for ours. */
function variableOf(name: string, origin: OptionOrigin): string {
  const prefix = origin === "flannel" ? "FLANNELD_" : "TWILL_";
  return prefix + name.toUpperCase().replaceAll("-", "_");
}

function define<T>(
  wording: Wording,
  value: Pick<OptionDefinition<T>, "kind" | "fallback" | "range" | "parse"> & { isRepeatable?: boolean },
): OptionDefinition<T> {
  const origin = wording.origin ?? "flannel";
  return {
    name: wording.name,
    variable: wording.hasVariable === false ? null : variableOf(wording.name, origin),
    description: wording.description,
    origin,
    isSecret: wording.isSecret ?? false,
    isReread: wording.isReread ?? false,
    isRepeatable: value.isRepeatable ?? false,
    kind: value.kind,
    fallback: value.fallback,
    range: value.range,
    parse: value.parse,
  };
}

/** The last one wins, as with flannel. */
function last(texts: readonly string[]): string {
  return texts.at(-1) ?? "";
}

/** A switch. On the command line it takes a value only with `=`. */
export function booleanOption(fallback: boolean, wording: Wording): OptionDefinition<boolean> {
  return define(wording, {
    kind: "boolean",
    fallback,
    range: "true or false",
    parse: (texts) => {
      const text = last(texts);
      if (TRUE_TEXTS.has(text)) return true;
      return FALSE_TEXTS.has(text) ? false : undefined;
    },
  });
}

/** Any text. */
export function textOption(fallback: string, wording: Wording): OptionDefinition<string> {
  return define(wording, { kind: "text", fallback, range: "any text", parse: last });
}

/** A path, or a name: any text but the empty one. */
export function pathOption(fallback: string, wording: Wording): OptionDefinition<string> {
  return define(wording, {
    kind: "text",
    fallback,
    range: "a path",
    parse: (texts) => (last(texts) === "" || last(texts).includes("\0") ? undefined : last(texts)),
  });
}

interface IntegerBounds {
  readonly min: number;
  readonly max: number;
  readonly unit: string;
}

/** A whole number of `unit`, both bounds included. */
export function integerOption(
  fallback: number,
  bounds: IntegerBounds,
  wording: Wording,
): OptionDefinition<number> {
  return define(wording, { kind: "integer", fallback, ...integerValue(bounds) });
}

/** The same without a fixed default: null leaves the choice to the agent. */
export function optionalIntegerOption(
  bounds: IntegerBounds,
  wording: Wording,
): OptionDefinition<number | null> {
  return define<number | null>(wording, { kind: "integer", fallback: null, ...integerValue(bounds) });
}

function integerValue({ min, max, unit }: IntegerBounds): Pick<OptionDefinition<number>, "range" | "parse"> {
  return {
    range: `${min} to ${max}${unit === "" ? "" : ` ${unit}`}`,
    parse: (texts) => {
      const value = INTEGER_TEXT.test(last(texts)) ? Number(last(texts)) : NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

/** One of a few words. */
export function choiceOption<W extends string>(
  fallback: NoInfer<W>,
  words: readonly W[],
  wording: Wording,
): OptionDefinition<W> {
  return define(wording, {
    kind: "choice",
    fallback,
    range: `one of ${words.join(", ")}`,
    parse: (texts) => words.find((word) => word === last(texts)),
  });
}

/** A comma-separated list with at least one element; blanks around an element are dropped. */
export function listOption(
  fallback: readonly string[],
  wording: Wording,
): OptionDefinition<readonly string[]> {
  return define(wording, {
    kind: "list",
    fallback,
    range: "a comma-separated list",
    parse: (texts) => {
      const elements = last(texts)
        .split(",")
        .map((element) => element.trim());
      return elements.includes("") ? undefined : elements;
    },
  });
}

/** An IPv4 address. */
export function ipv4Option(wording: Wording): OptionDefinition<Ipv4Address | null> {
  return define<Ipv4Address | null>(wording, {
    kind: "address",
    fallback: null,
    range: "an IPv4 address",
    parse: (texts) => Ipv4Address.parse(last(texts)) ?? undefined,
  });
}

/** An IPv6 address. */
export function ipv6Option(wording: Wording): OptionDefinition<Ipv6Address | null> {
  return define<Ipv6Address | null>(wording, {
    kind: "address",
    fallback: null,
    range: "an IPv6 address",
    parse: (texts) => Ipv6Address.parse(last(texts)) ?? undefined,
  });
}

/** An address to listen on, either family, as text. */
export function listenAddressOption(fallback: string, wording: Wording): OptionDefinition<string> {
  return define(wording, {
    kind: "address",
    fallback,
    range: "an IP address",
    parse: (texts) => (isIP(last(texts)) === 0 ? undefined : last(texts)),
  });
}

/** Words that keep their order; the flag may be given several times, the variable holds one. */
export function repeatedTextOption(wording: Wording): OptionDefinition<readonly string[]> {
  return define<readonly string[]>(wording, {
    kind: "text",
    isRepeatable: true,
    fallback: [],
    range: "an interface name or an IP address",
    parse: (texts) => (texts.includes("") ? undefined : texts),
  });
}

/** Regular expressions that keep their order; the flag may be given several times. */
export function repeatedPatternOption(wording: Wording): OptionDefinition<readonly RegExp[]> {
  return define<readonly RegExp[]>(wording, {
    kind: "pattern",
    isRepeatable: true,
    fallback: [],
    range: `a JavaScript regular expression of 1 to ${MAX_PATTERN_LENGTH} characters`,
    parse: (texts) => {
      const patterns = texts.map(parsePattern).filter((pattern) => pattern !== null);
      return patterns.length === texts.length ? patterns : undefined;
    },
  });
}

function parsePattern(text: string): RegExp | null {
  if (text === "" || text.length > MAX_PATTERN_LENGTH) return null;
  try {
    return new RegExp(text);
  } catch {
    return null;
  }
}
