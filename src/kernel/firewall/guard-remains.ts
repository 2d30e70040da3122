/** Tables of guards, whatever their networks: what `twill cleanup` is to find when nobody remembers them. */
import { isRecord, recordsOf, textOf } from "../json-fields.ts";
import { isGuardTableName } from "./guard-plan.ts";
import { GUARD_FAMILIES, formatRemoval } from "./guard-table.ts";
import type { GuardPlace } from "./guard-table.ts";
import type { NftCommand } from "./nft-command.ts";

/** A table of anybody's. */
export interface NftTableName {
  readonly family: string;
  readonly name: string;
}

/** The table as a guard's, or null when none has made it. */
export function guardPlaceOf(table: NftTableName): GuardPlace | null {
  const family = GUARD_FAMILIES.find((one) => one === table.family);
  return family === undefined || !isGuardTableName(table.name) ? null : { family, name: table.name };
}

/** Every table of a guard. @throws {OverlayError} `ERR_KERNEL_FAILED` with the text of `nft` */
export async function findGuardTables(nft: NftCommand, signal: AbortSignal): Promise<GuardPlace[]> {
  return (await findTables(nft, signal)).flatMap((table) => guardPlaceOf(table) ?? []);
}

/** Every table of nftables. @throws {OverlayError} `ERR_KERNEL_FAILED` with the text of `nft` */
export async function findTables(nft: NftCommand, signal: AbortSignal): Promise<NftTableName[]> {
  return parseTables(await nft.listJson(["tables"], signal));
}

/** Every table of the output of `nft -j list tables`. */
export function parseTables(json: unknown): NftTableName[] {
  const list = isRecord(json) ? recordsOf(json.nftables) : [];
  return list.flatMap(({ table }) => {
    if (!isRecord(table)) return [];
    return [{ family: textOf(table, "family") ?? "", name: textOf(table, "name") ?? "" }];
  });
}

/**
 * What is already gone is no error.
 * @throws {OverlayError} `ERR_KERNEL_FAILED` with the text of `nft`
 */
export async function removeGuardTable(
  nft: NftCommand,
  place: GuardPlace,
  signal: AbortSignal,
): Promise<void> {
  await nft.apply(formatRemoval(place), signal);
}
