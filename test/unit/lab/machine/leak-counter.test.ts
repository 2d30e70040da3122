import { describe, expect, it } from "vitest";
import { parseLeakCounters } from "../../../../src/lab/machine/leak-counter.ts";

function listing(...counters: object[]): string {
  return JSON.stringify({
    nftables: [{ metainfo: { version: "1.0.6" } }, ...counters.map((counter) => ({ counter }))],
  });
}

describe("parseLeakCounters", () => {
  it("reads both directions", () => {
    const json = listing({ name: "from_overlay", packets: 3 }, { name: "to_overlay", packets: 4 });
    expect(parseLeakCounters(json)).toEqual({ fromOverlay: 3, toOverlay: 4 });
  });

  it("does not take a missing counter for zero", () => {
    expect(parseLeakCounters(listing({ name: "from_overlay", packets: 3 }))).toBeNull();
    expect(parseLeakCounters(listing())).toBeNull();
  });
});
