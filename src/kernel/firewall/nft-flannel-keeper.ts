/** Keeps flannel's rules by nftables (`EnableNFTables`). */
import type { FlannelRules } from "./flannel-rules.ts";
import type { NftCommand } from "./nft-command.ts";
import { FLANNEL_TABLE, FLANNEL_TABLE6, flannelTable, isSameTable } from "./nft-flannel-rules.ts";
import type { RuleKeeper } from "./rule-keeper.ts";
import { writeUntilEqual } from "./write-until-equal.ts";
import type { FirewallChange } from "./write-until-equal.ts";

/** Table `ip flannel-ipv4`, replaced as a whole when anything in it differs. An idle `keep` is one run of nft. */
export function createNftFlannelKeeper(nft: NftCommand): RuleKeeper<FlannelRules> {
  return {
    async keep(wanted, signal) {
      const table = flannelTable(wanted);
      const plan = table === null ? () => planRemoval(nft, signal) : () => planTable(nft, table, signal);
      return await writeUntilEqual(plan, ({ script }) => nft.apply(script, signal), signal);
    },
  };
}

async function planTable(nft: NftCommand, wanted: string, signal: AbortSignal): Promise<FirewallChange[]> {
  const listing = await nft.listTable("ip", FLANNEL_TABLE, signal);
  if (listing !== null && isSameTable(listing, wanted)) return [];
  // `delete` fails where there is none, `add` does nothing where there is one; all of it is one transaction.
  const script = `add table ip ${FLANNEL_TABLE}\ndelete table ip ${FLANNEL_TABLE}\n${wanted}`;
  return [{ place: `table ip ${FLANNEL_TABLE}`, script }];
}

async function planRemoval(nft: NftCommand, signal: AbortSignal): Promise<FirewallChange[]> {
  const tables = [
    ["ip", FLANNEL_TABLE],
    ["ip6", FLANNEL_TABLE6],
  ] as const;
  const changes: FirewallChange[] = [];
  for (const [family, name] of tables) {
    if ((await nft.listTable(family, name, signal)) === null) continue;
    changes.push({ place: `table ${family} ${name}`, script: `delete table ${family} ${name}\n` });
  }
  return changes;
}
