import { OverlayError } from "../net/overlay-error.ts";

/** Words of a command's messages. */
export interface CommandPlace {
  /** Completes "Cannot run a command in". */
  readonly place: string;
  /** Where options of our own belong. */
  readonly advice: string;
}

/**
 * The command in what follows the place. Commander passes the `--` on that stands between them.
 * @throws {OverlayError} `ERR_OPTION_INVALID` when there is none, or what looks like an option stands there
 */
export function commandAfterDashes(
  argv: readonly string[],
  { place, advice }: CommandPlace,
): readonly string[] {
  const command = argv[0] === "--" ? argv.slice(1) : argv;
  const [program = ""] = command;
  if (program === "") {
    throw new OverlayError("ERR_OPTION_INVALID", `Cannot run a command in ${place}: none is given after --`);
  }
  if (program.startsWith("-")) {
    throw new OverlayError(
      "ERR_OPTION_INVALID",
      `Cannot run ${JSON.stringify(program)} as a command: ${advice}`,
    );
  }
  return command;
}
