/**
 * Keepers of flannel's rules in a process of its own: run in a network namespace, since the programs they run change
 * the namespace of their process. Does what the IPC channel says, and ends when it does.
 */
import type { FlannelRules } from "../../src/kernel/firewall/flannel-rules.ts";
import { createFlannelKeeper } from "../../src/kernel/firewall/flannel-keeper.ts";
import type { RuleManager } from "../../src/kernel/firewall/flannel-keeper.ts";
import { createIptablesCommand } from "../../src/kernel/firewall/iptables-command.ts";
import type { IptablesName } from "../../src/kernel/firewall/iptables-command.ts";
import { createIptablesKeeper } from "../../src/kernel/firewall/iptables-keeper.ts";
import { createNftCommand } from "../../src/kernel/firewall/nft-command.ts";
import { createNftFlannelKeeper } from "../../src/kernel/firewall/nft-flannel-keeper.ts";
import type { RuleKeeper } from "../../src/kernel/firewall/rule-keeper.ts";
import { prefixOf } from "./ipv4.ts";

/** A keeper that makes rules one way, or the keeper that chooses the way and clears away the others. */
export type KeeperKind = "iptables-nft" | "iptables-legacy" | "nft" | `selected ${RuleManager}`;

/** What is wanted, as text. */
export interface GivenRules extends Omit<FlannelRules, "network" | "ownSubnet"> {
  readonly network: string;
  readonly ownSubnet: string;
}

export interface KeepRequest {
  readonly kind: KeeperKind;
  readonly wanted: GivenRules | null;
  /** For the programs that are run. */
  readonly environment: Readonly<Record<string, string>>;
}

export type KeepAnswer = { readonly written: number } | { readonly error: string };

const NO_ABORT = new AbortController().signal;
const keepers = new Map<KeeperKind, RuleKeeper<FlannelRules>>();

process.on("message", (request: KeepRequest) => {
  void answer(request).then((reply) => process.send?.(reply));
});
process.on("disconnect", () => process.exit());

async function answer({ kind, wanted, environment }: KeepRequest): Promise<KeepAnswer> {
  setEnvironment(environment);
  try {
    const keeper = keepers.get(kind) ?? (await createKeeper(kind));
    keepers.set(kind, keeper);
    return { written: await keeper.keep(parseRules(wanted), NO_ABORT) };
  } catch (err) {
    return { error: err instanceof Error ? `${err.name}: ${err.message}` : String(err) };
  }
}

/** Of the process itself: another object in the place of `process.env` would not reach the programs. */
function setEnvironment(environment: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(process.env)) Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, environment);
}

async function createKeeper(kind: KeeperKind): Promise<RuleKeeper<FlannelRules>> {
  const nft = createNftCommand();
  if (kind === "nft") return createNftFlannelKeeper(nft);
  if (kind === "selected nft") return createFlannelKeeper("nft", nft);
  if (kind === "selected iptables") return createFlannelKeeper("iptables", nft);
  return createIptablesKeeper(await createIptablesCommand(kind satisfies IptablesName, NO_ABORT), nft);
}

function parseRules(given: GivenRules | null): FlannelRules | null {
  return given && { ...given, network: prefixOf(given.network), ownSubnet: prefixOf(given.ownSubnet) };
}
