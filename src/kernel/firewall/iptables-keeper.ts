/** Keeps flannel's rules by iptables. */
import { OverlayError } from "../../net/overlay-error.ts";
import type { FlannelRules } from "./flannel-rules.ts";
import type { IptablesCommand } from "./iptables-command.ts";
import { parseSavedTables, payload, planChain } from "./iptables-plan.ts";
import { flannelChains } from "./iptables-rules.ts";
import type { OwnChain } from "./iptables-rules.ts";
import type { NftCommand } from "./nft-command.ts";
import type { RuleKeeper } from "./rule-keeper.ts";
import { writeUntilEqual } from "./write-until-equal.ts";

/**
 * Chains FLANNEL-POSTRTG in nat and FLANNEL-FWD in filter, each with one jump at the end of its hook: what others put
 * before it, such as Docker's DOCKER-USER, is asked first. An idle `keep` is one run of iptables-save.
 * @param nft takes away the empty tables that iptables over nf_tables leaves; where it is missing they stay
 */
export function createIptablesKeeper(iptables: IptablesCommand, nft: NftCommand): RuleKeeper<FlannelRules> {
  return {
    async keep(wanted, signal) {
      const chains = flannelChains(wanted, iptables.isSince162);
      const removed = new Set<OwnChain>();
      const written = await writeUntilEqual(
        async () => {
          const tables = parseSavedTables(await iptables.save(signal));
          return chains.flatMap((chain) => {
            const change = planChain(chain, tables);
            if (change !== null && chain.rules === null) removed.add(chain);
            return change ?? [];
          });
        },
        ({ script }) => iptables.restore(script, signal),
        signal,
      );
      if (iptables.variant === "nft") {
        for (const chain of removed) await removeEmptyHook(chain, iptables, nft, signal);
      }
      return written;
    },
  };
}

/**
 * Takes away what our first rule made iptables-nft make: the hook's chain, and the table when it is then empty. A chain
 * with rules or a policy of its own stays, the kernel sees to that. An empty one does nothing, and iptables makes it
 * anew when somebody needs it, so it is no loss if another program made it. The legacy variant cannot undo its tables.
 */
async function removeEmptyHook(
  { table, hook }: OwnChain,
  iptables: IptablesCommand,
  nft: NftCommand,
  signal: AbortSignal,
): Promise<void> {
  try {
    await iptables.restore(payload(table, [`-X ${hook}`]), signal);
    const listing = await nft.listTable("ip", table, signal);
    if (listing !== null && isEmptyTable(listing)) await nft.apply(`delete table ip ${table}\n`, signal);
  } catch (err) {
    if (!(err instanceof OverlayError)) throw err; // others use it, or it went; our own rules are gone already
  }
}

function isEmptyTable(listing: string): boolean {
  return /^table ip \w+ \{\s*\}\s*$/.test(listing.replaceAll(/^#.*$/gm, "").trim());
}
