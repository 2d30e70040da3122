/** What the real nft seldom does: fail, be stopped, or meet another hand at the wrong moment. */
import { describe, expect, it } from "vitest";
import { createGuardKeeper } from "../../../../src/kernel/firewall/guard-keeper.ts";
import type { GuardKeeper } from "../../../../src/kernel/firewall/guard-keeper.ts";
import type { GuardedPeer, GuardRules } from "../../../../src/kernel/firewall/guard-rules.ts";
import type { NftCommand } from "../../../../src/kernel/firewall/nft-command.ts";
import { OverlayError } from "../../../../src/net/overlay-error.ts";
import { addressOf, prefixOf } from "../../../support/ipv4.ts";
import { recordLog } from "../../../support/log-lines.ts";

const NO_ABORT = new AbortController().signal;
const NETWORK = prefixOf("10.244.0.0/16");
const PEERS: readonly GuardedPeer[] = [2, 3].map((number) => ({
  subnet: prefixOf(`10.244.${number}.0/24`),
  underlayIp: addressOf(`192.0.2.${number}`),
  isDirect: true,
}));

const rulesWith = (peers: readonly GuardedPeer[]): GuardRules => ({
  network: NETWORK,
  ownSubnet: prefixOf("10.244.1.0/24"),
  underlayInterface: "eth0",
  underlayPrefixes: [],
  tunnel: null,
  isSourceChecked: true,
  peers,
});

/** The table as nft lists it: the set of `PEERS`, one counter, and a chain with `ruleCount` rules. */
function listing(ruleCount: number): unknown {
  const elem = ["10.244.2.0", "10.244.3.0"].map((addr) => ({ prefix: { addr, len: 24 } }));
  return {
    nftables: [
      { metainfo: { version: "1.0.6" } },
      { table: { family: "netdev", name: "t", handle: 1 } },
      { counter: { name: "guardDropLeak", packets: 3, bytes: 300 } },
      { set: { name: "direct_subnets", elem } },
      { chain: { name: "egress", prio: -300 } },
      ...Array.from({ length: ruleCount }, (_, i) => ({
        rule: { chain: "egress", handle: i, expr: [] },
      })),
    ],
  };
}

/** An nft at the edge: it keeps the scripts, lists what it is told to, and fails when it is told to. */
class ScriptedNft implements NftCommand {
  readonly scripts: string[] = [];
  readonly failures: Error[] = [];
  listed: unknown = listing(1);

  read(): Promise<string> {
    return Promise.resolve("");
  }

  listTable(): Promise<string | null> {
    return Promise.resolve(null);
  }

  listJson(): Promise<unknown> {
    return Promise.resolve(this.listed);
  }

  accepts(): Promise<boolean> {
    return Promise.resolve(true);
  }

  apply(script: string): Promise<void> {
    this.scripts.push(script);
    const failure = this.failures.shift();
    return failure === undefined ? Promise.resolve() : Promise.reject(failure);
  }
}

function scriptedKeeper(): { nft: ScriptedNft; keeper: GuardKeeper } {
  const nft = new ScriptedNft();
  return { nft, keeper: createGuardKeeper({ nft, network: NETWORK, log: recordLog().log }) };
}

const FAILURE = new OverlayError("ERR_KERNEL_FAILED", "Cannot change the firewall: nft -f -: busy");
const isReplacement = (script: string | undefined): boolean => script?.includes("delete table") === true;

describe("createGuardKeeper", () => {
  it("does nothing before it is told what is wanted", async () => {
    const { nft, keeper } = scriptedKeeper();
    expect(await keeper.audit(NO_ABORT)).toBe(0);
    expect(nft.scripts).toEqual([]);
  });

  it("replaces the table after a replacement that failed, at the next sync or audit", async () => {
    for (const again of [
      (keeper: GuardKeeper) => keeper.sync(rulesWith(PEERS), NO_ABORT),
      (keeper: GuardKeeper) => keeper.audit(NO_ABORT),
    ]) {
      const { nft, keeper } = scriptedKeeper();
      nft.failures.push(FAILURE);
      await expect(keeper.sync(rulesWith(PEERS), NO_ABORT)).rejects.toBe(FAILURE);
      expect(await again(keeper)).toBe(1);
      expect(nft.scripts.map(isReplacement)).toEqual([true, true]);
      expect(await keeper.audit(NO_ABORT)).toBe(0);
    }
  });

  it("replaces the table when peers cannot be changed in it", async () => {
    const { nft, keeper } = scriptedKeeper();
    await keeper.sync(rulesWith(PEERS), NO_ABORT);
    nft.failures.push(FAILURE);
    expect(await keeper.sync(rulesWith(PEERS.slice(1)), NO_ABORT)).toBe(1);
    expect(nft.scripts.map(isReplacement)).toEqual([true, false, true]);
  });

  it("stops when it is told to amid a change, and trusts nothing afterwards", async () => {
    const { nft, keeper } = scriptedKeeper();
    await keeper.sync(rulesWith(PEERS), NO_ABORT);
    const reason = new Error("stop");
    nft.failures.push(reason);
    await expect(keeper.sync(rulesWith([]), AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(nft.scripts).toHaveLength(2);
    expect(await keeper.sync(rulesWith([]), NO_ABORT)).toBe(1);
    expect(isReplacement(nft.scripts.at(-1))).toBe(true);
  });

  it("does not take for its own what somebody changed right after the write", async () => {
    for (const meddled of [listing(0), listing(2), null]) {
      const { nft, keeper } = scriptedKeeper();
      const whole = nft.listed;
      nft.listed = meddled;
      await keeper.sync(rulesWith(PEERS), NO_ABORT);
      expect(await keeper.audit(NO_ABORT)).toBe(1);
      nft.listed = whole;
      expect(await keeper.audit(NO_ABORT)).toBe(1);
      expect(await keeper.audit(NO_ABORT)).toBe(0);
    }
  });

  it("reads drops without touching anything", async () => {
    const { nft, keeper } = scriptedKeeper();
    expect(await keeper.readDrops(NO_ABORT)).toEqual({ guardDropLeak: 3 });
    expect(nft.scripts).toEqual([]);
  });
});
