import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadEngineAddon, loadEngineAddonFrom } from "../../../src/datapath/engine-addon.ts";
import { COUNTER } from "../../../src/datapath/packet-counters.ts";
import { PEER_COUNTER } from "../../../src/datapath/peer-counters.ts";

const NAMES = Object.keys(COUNTER);
const PEER_NAMES = Object.keys(PEER_COUNTER);

describe("loadEngineAddonFrom", () => {
  let directory: string;
  let files = 0;
  beforeAll(() => (directory = mkdtempSync(join(tmpdir(), "twill-engine-addon-"))));
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });

  /** An addon that exports this; to what loads it, it is one like any other. */
  function addonWith(exported: object): string {
    const path = join(directory, `addon${(files += 1)}.cjs`);
    writeFileSync(path, `module.exports = ${JSON.stringify(exported)};`);
    return path;
  }

  it("takes one with the same counters in the same order", () => {
    const path = addonWith({ counterNames: NAMES, peerCounterNames: PEER_NAMES });
    expect(loadEngineAddonFrom(path)).toEqual({ counterNames: NAMES, peerCounterNames: PEER_NAMES });
  });

  it.each<[string, object]>([
    ["a counter less", { counterNames: NAMES.slice(1), peerCounterNames: PEER_NAMES }],
    ["counters in another order", { counterNames: NAMES.toReversed(), peerCounterNames: PEER_NAMES }],
    ["a peer counter more", { counterNames: NAMES, peerCounterNames: [...PEER_NAMES, "decapLate"] }],
    ["peer counters in another order", { counterNames: NAMES, peerCounterNames: PEER_NAMES.toReversed() }],
    ["no peer counters", { counterNames: NAMES }],
    ["no counters", { peerCounterNames: PEER_NAMES }],
  ])("refuses one with %s, and says what to run", (_what, exported) => {
    const path = addonWith(exported);
    expect(() => loadEngineAddonFrom(path)).toThrow(
      expect.objectContaining({
        code: "ERR_ADDON_MISSING",
        message: `Cannot load the addon: ${path} was built from other sources than these; run scripts/build-native`,
        fields: { path },
      }),
    );
  });
});

describe("loadEngineAddon", () => {
  it("finds in build what counts as these sources do, and loads it once", () => {
    expect(loadEngineAddon()).toMatchObject({ counterNames: NAMES, peerCounterNames: PEER_NAMES });
    expect(loadEngineAddon()).toBe(loadEngineAddon());
  });
});
