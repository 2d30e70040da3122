/** Keeps flannel's rules by the one manager that is selected, and takes away what the other one left. */
import { isMissingProgram } from "../run-program.ts";
import { findIptables } from "./choose-iptables.ts";
import type { FlannelRules } from "./flannel-rules.ts";
import { createIptablesCommand } from "./iptables-command.ts";
import { createIptablesKeeper } from "./iptables-keeper.ts";
import type { NftCommand } from "./nft-command.ts";
import { createNftFlannelKeeper } from "./nft-flannel-keeper.ts";
import type { RuleKeeper } from "./rule-keeper.ts";

/** What makes flannel's rules: nftables with `EnableNFTables`, else iptables. */
export type RuleManager = "iptables" | "nft";

/**
 * A keeper of flannel's rules. Its first `keep` finds out which iptables the host has and, once the wanted rules stand,
 * removes flannel's rules from everywhere else, so that no packet meets a moment without them. A program that is
 * missing is an error only when rules are wanted of it.
 */
export function createFlannelKeeper(manager: RuleManager, nft: NftCommand): RuleKeeper<FlannelRules> {
  let settled: RuleKeeper<FlannelRules> | null = null;
  return {
    async keep(wanted, signal) {
      if (settled !== null) return await settled.keep(wanted, signal);
      const [selected, ...others] = await findKeepers(manager, nft, signal);
      let written = await selected.keep(wanted, signal);
      for (const other of others) written += await other.keep(null, signal);
      settled = selected;
      return written;
    },
  };
}

/** First the keeper that is selected, then those whose rules are to be gone. */
async function findKeepers(
  manager: RuleManager,
  nft: NftCommand,
  signal: AbortSignal,
): Promise<[RuleKeeper<FlannelRules>, ...RuleKeeper<FlannelRules>[]]> {
  const iptables = await findIptables(signal);
  const byNft = toleratingAbsence(createNftFlannelKeeper(nft));
  const byIptables =
    iptables === null ? toleratingAbsence(laterIptables(nft)) : createIptablesKeeper(iptables.chosen, nft);
  const other = iptables?.other ?? null;
  const byOtherIptables = other === null ? [] : [createIptablesKeeper(other, nft)];
  return manager === "nft"
    ? [byNft, byIptables, ...byOtherIptables]
    : [byIptables, byNft, ...byOtherIptables];
}

/** A program that is not installed has no rules to remove. */
function toleratingAbsence(keeper: RuleKeeper<FlannelRules>): RuleKeeper<FlannelRules> {
  return {
    async keep(wanted, signal) {
      try {
        return await keeper.keep(wanted, signal);
      } catch (err) {
        const isWanted = wanted !== null && (wanted.isMasquerading || wanted.isForwarding);
        if (isWanted || !isMissingProgram(err)) throw err;
        return 0;
      }
    },
  };
}

/** Looks for iptables at each call: it may be installed by then. */
function laterIptables(nft: NftCommand): RuleKeeper<FlannelRules> {
  return {
    async keep(wanted, signal) {
      const iptables = await createIptablesCommand("iptables", signal);
      return await createIptablesKeeper(iptables, nft).keep(wanted, signal);
    },
  };
}
