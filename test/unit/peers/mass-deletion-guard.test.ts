import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  guardPeers,
  HOLD_MS,
  MIN_MASS,
  SETTLE_MS,
  startGuard,
  WINDOW_MS,
} from "../../../src/peers/mass-deletion-guard.ts";
import type { GuardResult, GuardState } from "../../../src/peers/mass-deletion-guard.ts";
import { findInvalidPeer, MAX_PEERS } from "../../../src/peers/peer-set.ts";
import type { Peer, PeerSet } from "../../../src/peers/peer.ts";
import { peer, peers, show } from "./leases.ts";

/** Steps a guard along a story. */
class Story {
  #state: GuardState;
  last: GuardResult;

  constructor(start: PeerSet) {
    this.#state = startGuard(start);
    this.last = this.at(0, start);
  }

  at(
    nowMs: number,
    selected: PeerSet,
    changes: { isReplaced?: boolean; forbidden?: Peer | undefined } = {},
  ): GuardResult {
    const { isReplaced = false, forbidden } = changes;
    this.last = guardPeers(this.#state, {
      selected,
      nowMs,
      isReplaced,
      isAllowed: (one) => one !== forbidden,
    });
    this.#state = this.last.state;
    return this.last;
  }
}

const TEN = peers(10);

describe("guardPeers", () => {
  it("hands on the peers that are there", () => {
    expect(new Story(TEN).last).toMatchObject({ peers: TEN, held: [], alarm: null, nextCheckMs: null });
  });

  it("removes one peer of many after the settle time", () => {
    const story = new Story(TEN);
    const nine = TEN.slice(1);
    expect(story.at(100, nine)).toMatchObject({
      peers: TEN,
      held: [],
      alarm: null,
      nextCheckMs: 100 + SETTLE_MS,
    });
    expect(story.at(99 + SETTLE_MS, nine).peers).toEqual(TEN);
    expect(story.at(100 + SETTLE_MS, nine)).toMatchObject({ peers: nine, nextCheckMs: null });
  });

  it("loses nothing when a lease is deleted and put again within the settle time", () => {
    const story = new Story(TEN);
    story.at(100, TEN.slice(1));
    expect(story.at(900, TEN)).toMatchObject({ peers: TEN, nextCheckMs: null });
    expect(story.at(5_000, TEN).peers).toEqual(TEN);
  });

  it("measures what leaves against all there are, also when the first left before most had come", () => {
    const all = peers(40);
    const story = new Story(all.slice(0, 6));
    story.at(0, all.slice(1, 6));
    for (let gone = 1; gone <= 10; gone++) {
      expect(story.at(gone * 100, all.slice(gone))).toMatchObject({ held: [], alarm: null });
    }
    expect(story.at(1_000 + SETTLE_MS, all.slice(10)).peers).toEqual(all.slice(10));
  });

  it("applies a changed peer at once", () => {
    const moved = [peer("10.244.1.0/24", "192.0.2.99"), ...TEN.slice(1)];
    expect(new Story(TEN).at(1, moved).peers).toEqual(moved);
  });

  it("lets a vanished peer go at once when its subnet is re-assigned, in whole or in part", () => {
    for (const subnet of ["10.244.1.0/24", "10.244.1.128/25", "10.244.0.0/23"]) {
      const heir = peer(subnet, "192.0.2.99");
      expect(new Story(TEN).at(1, [heir, ...TEN.slice(1)]).peers).toEqual([heir, ...TEN.slice(1)]);
    }
  });

  it("lets a vanished peer go at once when its node has another subnet", () => {
    const moved = [...TEN.slice(1), peer("10.244.77.0/24", "192.0.2.101")];
    expect(new Story(TEN).at(1, moved).peers).toEqual(moved);
  });

  it("lets a vanished peer go at once when it contradicts ourselves", () => {
    const story = new Story(TEN);
    story.at(1, [], { isReplaced: true });
    expect(story.at(2, [], { forbidden: TEN[0] }).peers).toEqual(TEN.slice(1));
  });

  describe("when most peers vanish at once", () => {
    it.each([
      [3, 5, true],
      [3, 6, false], // exactly half
      [4, 6, true],
      [MIN_MASS, MIN_MASS, true],
      [2, 2, false],
      [2, 3, false],
      [10, 10, true],
      [5, 10, false],
      [6, 10, true],
    ])("%d of %d: they are held: %s", (gone, all, isHeld) => {
      const story = new Story(peers(all));
      const result = story.at(0, peers(all).slice(gone));
      expect(result.held).toHaveLength(isHeld ? gone : 0);
      expect(result.alarm).toEqual(isHeld ? { cause: "mass-deletion", missing: gone } : null);
      expect(result.peers).toHaveLength(all);
      expect(story.at(SETTLE_MS, peers(all).slice(gone)).peers).toHaveLength(isHeld ? all : all - gone);
    });

    it("holds them for five minutes", () => {
      const story = new Story(TEN);
      expect(story.at(7, [])).toMatchObject({ peers: TEN, held: TEN, nextCheckMs: 7 + HOLD_MS });
      expect(story.at(6 + HOLD_MS, [])).toMatchObject({ peers: TEN, held: TEN, alarm: null });
      expect(story.at(7 + HOLD_MS, [])).toMatchObject({ peers: [], held: [], nextCheckMs: null });
    });

    it("takes them back one by one as their nodes write their leases again", () => {
      const story = new Story(TEN);
      story.at(0, []);
      expect(story.at(2_000, TEN.slice(0, 4))).toMatchObject({ peers: TEN, held: TEN.slice(4), alarm: null });
      expect(story.at(4_000, TEN)).toMatchObject({ peers: TEN, held: [], nextCheckMs: null });
    });

    it("gives a held peer's place to whoever has it now", () => {
      const story = new Story(TEN);
      story.at(0, []);
      const heirs = [peer("10.244.2.0/23", "192.0.2.99"), peer("10.244.77.0/24", "192.0.2.101")];
      // 10.244.1.0/24 was at 192.0.2.101; 10.244.2.0/24 and 10.244.3.0/24 lie in the /23.
      expect(show(story.at(1, heirs).held)).toEqual(show(TEN.slice(3)));
    });

    it("still takes the deletion of one of the others at its word later on", () => {
      const story = new Story(peers(20));
      story.at(0, peers(20).slice(12));
      const later = WINDOW_MS + 60_000;
      story.at(later, peers(20).slice(13));
      const result = story.at(later + SETTLE_MS, peers(20).slice(13));
      expect(show(result.peers)).toEqual(show([...peers(20).slice(0, 12), ...peers(20).slice(13)]));
    });
  });

  describe("when peers are deleted one by one", () => {
    it("holds those that went before too, once they are most", () => {
      const story = new Story(TEN);
      for (let gone = 1; gone <= 5; gone += 1) {
        expect(story.at(gone * 500, TEN.slice(gone)).alarm).toBeNull();
      }
      expect(story.last.peers).toHaveLength(7); // of five that vanished 0 to 2 s ago, three are settled
      expect(story.at(3_000, TEN.slice(6))).toMatchObject({
        peers: TEN,
        held: TEN.slice(0, 6),
        alarm: { cause: "mass-deletion", missing: 6 },
      });
    });

    it("gives one alarm for all of them", () => {
      const story = new Story(TEN);
      const alarms = TEN.map((_, i) => story.at(i * 100, TEN.slice(i + 1)).alarm).filter(
        (alarm) => alarm !== null,
      );
      expect(alarms).toHaveLength(1);
      expect(story.last.held).toEqual(TEN);
    });

    it("takes deletions that are far apart at their word", () => {
      const story = new Story(TEN);
      for (let gone = 1; gone <= 9; gone += 1) story.at(gone * WINDOW_MS, TEN.slice(gone));
      expect(story.at(9 * WINDOW_MS + SETTLE_MS, TEN.slice(9)).peers).toEqual(TEN.slice(9));
    });

    it("compares with the peers there were, not with those that came meanwhile", () => {
      const story = new Story(TEN);
      const newcomers = peers(10, 30);
      expect(story.at(0, [...TEN.slice(6), ...newcomers]).held).toEqual(TEN.slice(0, 6));
    });
  });

  describe("when the registry is replaced", () => {
    it("holds every missing peer, however few", () => {
      const story = new Story(TEN);
      const result = story.at(0, TEN.slice(1), { isReplaced: true });
      expect(result).toMatchObject({
        held: [TEN[0]],
        alarm: { cause: "registry-replaced", missing: 1 },
        nextCheckMs: HOLD_MS,
      });
      expect(story.at(HOLD_MS - 1, TEN.slice(1)).peers).toEqual(TEN);
      expect(story.at(HOLD_MS, TEN.slice(1)).peers).toEqual(TEN.slice(1));
    });

    it("holds the two peers of a cluster of three", () => {
      expect(new Story(peers(2)).at(0, [], { isReplaced: true }).held).toEqual(peers(2));
    });

    it("holds what was deleted shortly before", () => {
      const story = new Story(TEN);
      story.at(0, TEN.slice(1));
      story.at(2_000, TEN.slice(1));
      expect(story.at(3_000, TEN.slice(1), { isReplaced: true }).held).toEqual([TEN[0]]);
    });

    it("is no news when all are there", () => {
      expect(new Story(TEN).at(0, TEN, { isReplaced: true })).toMatchObject({ peers: TEN, alarm: null });
    });
  });

  it("starts from the peers of an earlier run", () => {
    const result = guardPeers(startGuard(TEN), {
      selected: [],
      nowMs: 0,
      isReplaced: false,
      isAllowed: () => true,
    });
    expect(result).toMatchObject({ peers: TEN, held: TEN, alarm: { cause: "mass-deletion" } });
  });
});

describe("guardPeers under a flood of leases that come and go", () => {
  const wave = (network: number, count = MAX_PEERS): Peer[] =>
    Array.from({ length: count }, (_, i) =>
      peer(`${network}.${i >> 8}.${i & 255}.0/24`, `198.${network}.${i >> 8}.${i & 255}`),
    );

  it("forwards to no more than the largest set, new peers first", () => {
    const story = new Story(wave(10));
    const arrived = wave(11, 4_000);
    const result = story.at(0, arrived);
    expect(result.peers).toHaveLength(MAX_PEERS);
    expect(show(result.peers.slice(1_000))).toEqual(show(arrived));
  });

  it("remembers no more than that, those it has held longest", () => {
    const story = new Story(wave(10));
    story.at(0, []);
    story.at(1, wave(11));
    const result = story.at(2, []);
    expect(result.state.missing).toHaveLength(MAX_PEERS);
    expect(show(result.held)).toEqual(show(wave(10)));
  });
});

/** A world of eight places, so that peers come back, move, and take each other's. */
const arbitraryPeers = fc
  .uniqueArray(fc.tuple(fc.nat(7), fc.nat(7)), { selector: ([place]) => place, maxLength: 8 })
  .map((pairs) => pairs.filter(([, host], i) => pairs.findIndex(([, other]) => other === host) === i))
  .map((pairs) =>
    pairs
      .toSorted(([a], [b]) => a - b)
      .map(([place, host]) => peer(`10.244.${place}.0/24`, `192.0.2.${host}`)),
  );
const arbitrarySteps = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.nat(2_000), fc.constantFrom(0, 1, SETTLE_MS, WINDOW_MS, HOLD_MS), fc.nat(HOLD_MS)),
    selected: arbitraryPeers,
    isReplaced: fc.constantFrom(false, false, false, true),
  }),
  { maxLength: 12 },
);

/** Goes through the whole history at every step, and remembers nothing else. */
class SlowGuard {
  readonly #history: { readonly nowMs: number; readonly selected: PeerSet; readonly isReplaced: boolean }[] =
    [];

  step(nowMs: number, selected: PeerSet, isReplaced: boolean): { kept: string[]; held: string[] } {
    this.#history.push({ nowMs, selected, isReplaced });
    let missing: { peer: Peer; sinceMs: number; outOf: number; isHeld: boolean }[] = [];
    for (const [i, now] of this.#history.entries()) {
      const before = this.#history[i - 1]?.selected ?? [];
      missing = missing.filter(({ sinceMs, isHeld }) => now.nowMs - sinceMs < (isHeld ? HOLD_MS : WINDOW_MS));
      const isFresh = ({ sinceMs }: { sinceMs: number }): boolean => now.nowMs - sinceMs < WINDOW_MS;
      const outOf = before.length + missing.filter(isFresh).length;
      for (const old of before) {
        if (!now.selected.some(({ subnet }) => subnet.equals(old.subnet))) {
          missing.push({ peer: old, sinceMs: now.nowMs, outOf, isHeld: false });
        }
      }
      const takes = (one: Peer, old: Peer): boolean =>
        one.subnet.overlaps(old.subnet) || one.underlayIp.equals(old.underlayIp);
      missing = missing.filter(({ peer: old }) => !now.selected.some((one) => takes(one, old)));
      const fresh = missing.filter(isFresh);
      const isMass = fresh.length >= 3 && fresh.length * 2 > Math.max(0, ...fresh.map(({ outOf }) => outOf));
      if (isMass || now.isReplaced) for (const one of fresh) one.isHeld = true;
    }
    const held = missing.filter(({ isHeld }) => isHeld);
    const settling = missing.filter(({ sinceMs, isHeld }) => !isHeld && nowMs - sinceMs < SETTLE_MS);
    return {
      kept: show([...held, ...settling].map((one) => one.peer)),
      held: show(held.map((one) => one.peer)),
    };
  }
}

describe("guardPeers over any history", () => {
  it("keeps what a guard that looks at the whole history keeps", () => {
    fc.assert(
      fc.property(arbitrarySteps, (steps) => {
        const story = new Story([]);
        const slow = new SlowGuard();
        let nowMs = 0;
        slow.step(nowMs, [], false);
        for (const { afterMs, selected, isReplaced } of steps) {
          nowMs += afterMs;
          const result = story.at(nowMs, selected, { isReplaced });
          const expected = slow.step(nowMs, selected, isReplaced);
          expect(show(result.peers)).toEqual([...show(selected), ...expected.kept].sort());
          expect(show(result.held)).toEqual(expected.held.sort());
        }
      }),
      { numRuns: 500 },
    );
  });

  it("gives a valid set that holds all selected peers, and asks for the next step before it is due", () => {
    fc.assert(
      fc.property(arbitrarySteps, (steps) => {
        const story = new Story([]);
        let nowMs = 0;
        for (const { afterMs, selected, isReplaced } of steps) {
          nowMs += afterMs;
          const { peers: forwarded, nextCheckMs } = story.at(nowMs, selected, { isReplaced });
          expect(findInvalidPeer(forwarded)).toBeNull();
          expect(show(forwarded)).toEqual(expect.arrayContaining(show(selected)));
          const kept = forwarded.length - selected.length;
          expect(nextCheckMs === null).toBe(kept === 0);
          if (nextCheckMs === null) continue;
          // Nothing happens on its own before, and something does then.
          expect(show(story.at(nextCheckMs - 1, selected).peers)).toEqual(show(forwarded));
          expect(story.at(nextCheckMs, selected).peers.length).toBeLessThan(forwarded.length);
          nowMs = nextCheckMs;
        }
      }),
      { numRuns: 500 },
    );
  });

  it("is done with a set that stays, at the latest after the hold time", () => {
    fc.assert(
      fc.property(arbitrarySteps, arbitraryPeers, (steps, final) => {
        const story = new Story([]);
        let nowMs = 0;
        for (const { afterMs, selected, isReplaced } of steps)
          story.at((nowMs += afterMs), selected, { isReplaced });
        story.at(nowMs, final);
        expect(story.at(nowMs + HOLD_MS, final)).toMatchObject({
          peers: final,
          held: [],
          state: { missing: [] },
        });
      }),
    );
  });
});
