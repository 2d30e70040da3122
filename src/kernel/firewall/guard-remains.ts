/** Tables of guards, whatever their networks: what `twill cleanup` is to find when nobody remembers them. */
import { isRecord, recordsOf, textOf } from "../json-fields.ts";
import { isGuardTableName } from "./guard-plan.ts";
import { formatRemoval } from "./guard-table.ts";
import type { NftCommand } from "./nft-command.ts";

/** Names of the tables. @throws {OverlayError} `ERR_KERNEL_FAILED` with the text of `nft` */
export async function findGuardTables(nft: NftCommand, signal: AbortSignal): Promise<string[]> {
  const json = await nft.listJson(["tables", "ip"], signal);
  const objects = isRecord(json) ? recordsOf(json.nftables) : [];
  return objects.flatMap(({ table }) => {
    const name = isRecord(table) ? textOf(table, "name") : null;
    return name !== null && isGuardTableName(name) ? [name] : [];
  });
}

/**
 * What is already gone is no error.
 * @param name one of `findGuardTables`
 * @throws {OverlayError} `ERR_KERNEL_FAILED` with the text of `nft`
 */
export async function removeGuardTable(nft: NftCommand, name: string, signal: AbortSignal): Promise<void> {
  await nft.apply(formatRemoval(name), signal);
}
