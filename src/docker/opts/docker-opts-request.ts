/** What `twill docker-opts` is asked for, read as flannel's `mk-docker-opts.sh` reads it: POSIX getopts. */
import { DEFAULT_SUBNET_FILE } from "../../files/read-subnet-file.ts";

/** Where the script writes, and Docker units look. */
export const DEFAULT_DOCKER_OPTS_FILE = "/run/docker_opts.env";
/** The variable of Debian's docker.service. */
export const DEFAULT_COMBINED_NAME = "DOCKER_OPTS";

/** The options, with the script's defaults. */
export interface DockerOptsRequest {
  /** `-f`: the subnet file. */
  readonly subnetFile: string;
  /** `-d`: the file to write. */
  readonly outputFile: string;
  /** `-i`: a line for each option. */
  readonly hasIndividual: boolean;
  /** `-c`: a line with all of them. */
  readonly hasCombined: boolean;
  /** Without `-m`: whether an option about masquerading is made. */
  readonly hasIpMasq: boolean;
  /** `-k`: the variable of the line with all of them. */
  readonly combinedName: string;
  /** `--require-lease`, not the script's: no subnet file is a failure instead of options without a subnet. */
  readonly requiresLease: boolean;
  /** `--check`, not the script's: compares Docker's bridge with the lease and writes nothing. */
  readonly isCheck: boolean;
}

/** Arguments that are no request: `null` asks for the usage, as `-h` does; a text says what is wrong. */
export interface UsageWanted {
  readonly problem: string | null;
}

const LONG_OPTIONS: ReadonlyMap<string, Partial<DockerOptsRequest>> = new Map([
  ["--require-lease", { requiresLease: true }],
  ["--check", { isCheck: true }],
]);
const SWITCHES: ReadonlyMap<string, Partial<DockerOptsRequest>> = new Map([
  ["i", { hasIndividual: true }],
  ["c", { hasCombined: true }],
  ["m", { hasIpMasq: false }],
]);
const VALUES: ReadonlyMap<string, "subnetFile" | "outputFile" | "combinedName"> = new Map([
  ["f", "subnetFile"],
  ["d", "outputFile"],
  ["k", "combinedName"],
]);
/** What a shell takes as a variable. The script runs any other text as code, by `eval`. */
export const SHELL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Reads the arguments: letters may stand together (`-ic`) and a value in the same word (`-kNAME`). A word that is no
 * option is refused; the script stops reading there and would overlook the options behind it.
 * @param subnetFile what is read without `-f`
 */
export function readDockerOptsRequest(
  args: readonly string[],
  subnetFile = DEFAULT_SUBNET_FILE,
): DockerOptsRequest | UsageWanted {
  let found: Partial<DockerOptsRequest> = {};
  const rest = [...args];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--" && rest.length === 0) break;
    const read = LONG_OPTIONS.get(word) ?? readLetters(word, rest);
    if ("problem" in read) return read;
    found = { ...found, ...read };
  }
  const { hasIndividual = false, hasCombined = false, combinedName = DEFAULT_COMBINED_NAME } = found;
  if (!SHELL_NAME.test(combinedName)) {
    return {
      problem: `Cannot use -k ${JSON.stringify(combinedName)}: it is not the name of a shell variable`,
    };
  }
  const isEither = hasIndividual || hasCombined;
  return {
    subnetFile,
    outputFile: DEFAULT_DOCKER_OPTS_FILE,
    hasIpMasq: true,
    requiresLease: false,
    isCheck: false,
    ...found,
    hasIndividual: hasIndividual || !isEither,
    hasCombined: hasCombined || !isEither,
    combinedName,
  };
}

/** One word of option letters; takes the value of its last letter from `rest`. */
function readLetters(word: string, rest: string[]): Partial<DockerOptsRequest> | UsageWanted {
  if (!/^-[^-]/.test(word)) return { problem: `Cannot use ${JSON.stringify(word)}: there is no such option` };
  let found: Partial<DockerOptsRequest> = {};
  for (let at = 1; at < word.length; at++) {
    const letter = word.charAt(at);
    if (letter === "h" || letter === "?") return { problem: null };
    const withValue = VALUES.get(letter);
    if (withValue !== undefined) {
      const value = at + 1 < word.length ? word.slice(at + 1) : rest.shift();
      if (value === undefined) return { problem: `Cannot use -${letter}: its value is missing` };
      return { ...found, [withValue]: value };
    }
    const set = SWITCHES.get(letter);
    if (set === undefined) {
      return { problem: `Cannot use ${JSON.stringify(`-${letter}`)}: there is no such option` };
    }
    found = { ...found, ...set };
  }
  return found;
}
