/** Which of the two kinds of iptables to use, where a host has both. */
import { OverlayError } from "../../net/overlay-error.ts";
import { isMissingProgram } from "../run-program.ts";
import { createIptablesCommand, saveTables } from "./iptables-command.ts";
import type { IptablesCommand, IptablesName } from "./iptables-command.ts";
import { parseSavedTables } from "./iptables-plan.ts";
import type { SavedTables } from "./iptables-plan.ts";

/** Chains that Docker makes, whichever of its networks there are. */
const DOCKER_CHAINS = ["DOCKER", "DOCKER-USER"];

/** What each kind holds; null: it is not installed, or the kernel does not have it. */
export interface TablesOfKinds {
  readonly nft: SavedTables | null;
  readonly legacy: SavedTables | null;
}

/** The kind we use, and the other one where it can be used too. */
export interface IptablesOnHost {
  readonly chosen: IptablesCommand;
  readonly other: IptablesCommand | null;
}

/**
 * Where Docker's chains are in one kind only, that one: packets pass the tables of both, so what Docker's drops ours of
 * the other kind cannot accept. Else what PATH calls iptables, as flannel and Docker do.
 */
export function chooseIptables({ nft, legacy }: TablesOfKinds): IptablesName {
  if (nft === null || legacy === null || hasDocker(nft) === hasDocker(legacy)) return "iptables";
  return hasDocker(nft) ? "iptables-nft" : "iptables-legacy";
}

/** The iptables of this host; null when none is installed. */
export async function findIptables(signal: AbortSignal): Promise<IptablesOnHost | null> {
  const nft = await readKind("iptables-nft", signal);
  const legacy = await readKind("iptables-legacy", signal);
  const chosen = await commandOf(chooseIptables({ nft, legacy }), signal);
  if (chosen === null) return null;
  const other = chosen.variant === "nft" ? legacy : nft;
  if (other === null) return { chosen, other: null };
  return {
    chosen,
    other: await commandOf(chosen.variant === "nft" ? "iptables-legacy" : "iptables-nft", signal),
  };
}

function hasDocker(tables: SavedTables): boolean {
  return [...tables.values()].some((table) => DOCKER_CHAINS.some((name) => table?.chains.has(name) === true));
}

/** A kind that cannot be read has nothing of ours or Docker's; if it is the one we choose, the keeper tells why. */
async function readKind(name: IptablesName, signal: AbortSignal): Promise<SavedTables | null> {
  try {
    return parseSavedTables(await saveTables(name, signal));
  } catch (err) {
    if (err instanceof OverlayError) return null;
    throw err;
  }
}

async function commandOf(name: IptablesName, signal: AbortSignal): Promise<IptablesCommand | null> {
  try {
    return await createIptablesCommand(name, signal);
  } catch (err) {
    if (isMissingProgram(err)) return null;
    throw err;
  }
}
