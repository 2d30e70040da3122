import type { Logger } from "pino";
import { createFlannelKeeper } from "../../kernel/firewall/flannel-keeper.ts";
import { createGuardKeeper } from "../../kernel/firewall/guard-keeper.ts";
import type { GuardKeeper } from "../../kernel/firewall/guard-keeper.ts";
import { guardTableName } from "../../kernel/firewall/guard-plan.ts";
import { findGuardTables, removeGuardTable } from "../../kernel/firewall/guard-remains.ts";
import { createNftCommand } from "../../kernel/firewall/nft-command.ts";
import type { NftCommand } from "../../kernel/firewall/nft-command.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import type { NetworkConfig } from "../../subnet-lease/network-config.ts";
import type { FirewallKeepers } from "./firewall.ts";

/**
 * What makes the firewall rules that a network config asks for. Touches nothing before its first call.
 * @param formerNetwork overlay range of before: its guard goes once the new one stands
 */
export function createFirewallKeepers(
  { network, usesNftables }: NetworkConfig,
  formerNetwork: Ipv4Prefix | null,
  log: Logger,
): FirewallKeepers {
  const nft = createNftCommand();
  const guard = createGuardKeeper({ nft, network, log });
  const isMoved = formerNetwork !== null && !formerNetwork.equals(network);
  return {
    rules: createFlannelKeeper(usesNftables ? "nft" : "iptables", nft),
    guard: isMoved ? replacingGuard(guard, nft, guardTableName(formerNetwork)) : guard,
  };
}

/** The same, and after its first success the table `former` is gone. */
function replacingGuard(guard: GuardKeeper, nft: NftCommand, former: string): GuardKeeper {
  let isGone = false;
  return {
    async sync(wanted, signal) {
      const written = await guard.sync(wanted, signal);
      if (isGone) return written;
      const tables = (await findGuardTables(nft, signal)).filter(({ name }) => name === former);
      for (const table of tables) await removeGuardTable(nft, table, signal);
      isGone = true;
      return written + tables.length;
    },
    audit: (signal) => guard.audit(signal),
    readDrops: (signal) => guard.readDrops(signal),
  };
}
