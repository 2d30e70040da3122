/** Firewall rules of ours: flannel's chains and tables, by whichever program they were made, and the guard's tables. */
import { findIptables } from "../../kernel/firewall/choose-iptables.ts";
import { createFlannelKeeper } from "../../kernel/firewall/flannel-keeper.ts";
import { findTables, guardPlaceOf, removeGuardTable } from "../../kernel/firewall/guard-remains.ts";
import type { NftTableName } from "../../kernel/firewall/guard-remains.ts";
import type { GuardPlace } from "../../kernel/firewall/guard-table.ts";
import type { IptablesCommand } from "../../kernel/firewall/iptables-command.ts";
import { parseSavedTables } from "../../kernel/firewall/iptables-plan.ts";
import { flannelChains } from "../../kernel/firewall/iptables-rules.ts";
import { createNftCommand } from "../../kernel/firewall/nft-command.ts";
import type { NftCommand } from "../../kernel/firewall/nft-command.ts";
import { FLANNEL_TABLE, FLANNEL_TABLE6 } from "../../kernel/firewall/nft-flannel-rules.ts";
import { isMissingProgram } from "../../kernel/run-program.ts";
import type { Remains } from "./remains.ts";

const FLANNEL_TABLES: ReadonlySet<string> = new Set([`ip ${FLANNEL_TABLE}`, `ip6 ${FLANNEL_TABLE6}`]);

/** What there is; a program that is not installed has made nothing. @throws {OverlayError} `ERR_KERNEL_FAILED` */
export async function findFirewallRemains(signal: AbortSignal): Promise<Remains[]> {
  const nft = createNftCommand();
  const [chains, tables] = await Promise.all([findChains(signal), findTablesIfAny(nft, signal)]);
  const flannelTables = tables.map(placeText).filter((place) => FLANNEL_TABLES.has(place));
  return [
    {
      names: [...chains, ...flannelTables.map(tableName)],
      remove: async (removeSignal) =>
        (await createFlannelKeeper("iptables", nft).keep(null, removeSignal)) > 0,
    },
    ...tables.flatMap((table) => {
      const place = guardPlaceOf(table);
      return place === null ? [] : [guardRemains(nft, place)];
    }),
  ];
}

function guardRemains(nft: NftCommand, place: GuardPlace): Remains {
  return {
    names: [tableName(placeText(place))],
    async remove(signal) {
      await removeGuardTable(nft, place, signal);
      return true;
    },
  };
}

function placeText({ family, name }: NftTableName): string {
  return `${family} ${name}`;
}

function tableName(table: string): string {
  return `nftables table ${table}`;
}

/** Chains of flannel's name in iptables of either kind. */
async function findChains(signal: AbortSignal): Promise<string[]> {
  const iptables = await findIptables(signal);
  if (iptables === null) return [];
  const kinds = [iptables.chosen, ...(iptables.other === null ? [] : [iptables.other])];
  return (await Promise.all(kinds.map((kind) => chainsOf(kind, signal)))).flat();
}

async function chainsOf(iptables: IptablesCommand, signal: AbortSignal): Promise<string[]> {
  const tables = parseSavedTables(await iptables.save(signal));
  return flannelChains(null, iptables.isSince162)
    .filter(({ table, name }) => tables.get(table)?.chains.has(name) === true)
    .map(({ table, name }) => `iptables chain ${name} of table ${table} (${iptables.variant})`);
}

/** None where the program is not installed. */
async function findTablesIfAny(nft: NftCommand, signal: AbortSignal): Promise<NftTableName[]> {
  try {
    return await findTables(nft, signal);
  } catch (err) {
    if (isMissingProgram(err)) return [];
    throw err;
  }
}
