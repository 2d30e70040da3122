/** The `nft` program of nftables: our way to firewall rules. Never through a shell. */
import { OverlayError } from "../../net/overlay-error.ts";
import { failureText, runProgram } from "../run-program.ts";
import type { Program } from "../run-program.ts";

/** Sets of 5,000 elements take it well under a second. */
const NFT_DEADLINE_MS = 10_000;
/** What `nft` says (errno ENOENT in the C locale, which it never leaves) when it is to list what is not there. */
const NOT_THERE = "No such file or directory";

/** Families of tables that we use. */
export type NftFamily = "ip" | "ip6" | "inet" | "netdev";

/** Reads and changes the nftables rules of this process's network namespace. */
export interface NftCommand {
  /**
   * Runs `nft` with these arguments; resolves with what it printed.
   * @throws {OverlayError} `ERR_KERNEL_FAILED` with the text of `nft`
   */
  read(args: readonly string[], signal: AbortSignal): Promise<string>;
  /**
   * What `nft -s list table` prints, that is without the values of counters; null when there is no such table.
   * @throws {OverlayError} `ERR_KERNEL_FAILED` with the text of `nft`
   */
  listTable(family: NftFamily, name: string, signal: AbortSignal): Promise<string | null>;
  /**
   * What `nft -j list` prints of `what` (libnftables-json(5)), such as `["counters", "table", "ip", "t"]`; null when it is
   * not there.
   * @throws {OverlayError} `ERR_KERNEL_FAILED` with the text of `nft`
   */
  listJson(what: readonly string[], signal: AbortSignal): Promise<unknown>;
  /**
   * Runs the script as one transaction: all of it takes effect at one instant, or nothing does.
   * @throws {OverlayError} `ERR_KERNEL_FAILED` with the text of `nft`
   */
  apply(script: string, signal: AbortSignal): Promise<void>;
  /**
   * Whether kernel and `nft` would take the script; changes nothing.
   * @throws {OverlayError} `ERR_KERNEL_FAILED` when there is no `nft`
   */
  accepts(script: string, signal: AbortSignal): Promise<boolean>;
}

/** Which program, and how long it may take; other values are for tests. */
export type NftCommandOptions = Pick<Program, "program" | "deadlineMs">;

/** The `nft` found in PATH. */
export function createNftCommand(
  options: NftCommandOptions = { program: "nft", deadlineMs: NFT_DEADLINE_MS },
): NftCommand {
  const program = { ...options, packageName: "nftables" };

  async function tryRead(args: readonly string[], signal: AbortSignal): Promise<string | null> {
    const run = await runProgram(program, args, "", signal);
    if (run.error === null) return run.stdout;
    if (run.stderr.includes(NOT_THERE)) return null;
    throw readFailure(args, failureText(run));
  }

  return {
    async read(args, signal) {
      const output = await tryRead(args, signal);
      if (output === null) throw readFailure(args, NOT_THERE);
      return output;
    },
    listTable: (family, name, signal) => tryRead(["-s", "list", "table", family, name], signal),
    async listJson(what, signal) {
      const args = ["-j", "list", ...what];
      const output = await tryRead(args, signal);
      return output === null ? null : parseOutput(args, output);
    },
    async apply(script, signal) {
      const run = await runProgram(program, ["-f", "-"], script, signal);
      if (run.error !== null) {
        throw new OverlayError(
          "ERR_KERNEL_FAILED",
          `Cannot change the firewall: nft -f -: ${failureText(run)}`,
        );
      }
    },
    async accepts(script, signal) {
      return (await runProgram(program, ["-c", "-f", "-"], script, signal)).error === null;
    },
  };
}

function readFailure(args: readonly string[], text: string): OverlayError {
  return new OverlayError("ERR_KERNEL_FAILED", `Cannot read the firewall: nft ${args.join(" ")}: ${text}`);
}

function parseOutput(args: readonly string[], output: string): unknown {
  try {
    return JSON.parse(output) as unknown;
  } catch (cause) {
    throw new OverlayError(
      "ERR_KERNEL_FAILED",
      `Cannot read the output of nft ${args.join(" ")}: it is not JSON, install nftables 0.9.1 or newer`,
      {},
      { cause },
    );
  }
}
