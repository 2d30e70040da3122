import { describe, expect, it } from "vitest";
import { guardPlaceOf, parseTables } from "../../../../src/kernel/firewall/guard-remains.ts";

describe("parseTables", () => {
  it("reads what nft lists, the line about itself left out", () => {
    const json = {
      nftables: [
        { metainfo: { version: "1.0.6", json_schema_version: 1 } },
        { table: { family: "ip", name: "twill-10.244.0.0-16", handle: 1 } },
        { table: { family: "inet", name: "filter", handle: 2 } },
      ],
    };
    expect(parseTables(json)).toEqual([
      { family: "ip", name: "twill-10.244.0.0-16" },
      { family: "inet", name: "filter" },
    ]);
  });

  it.each([null, [], {}, { nftables: {} }, { nftables: [{ table: 1 }] }])("finds none in %j", (json) =>
    expect(parseTables(json)).toEqual([]),
  );
});

describe("guardPlaceOf", () => {
  it("knows a guard's table by family and name", () => {
    for (const family of ["ip", "netdev"]) {
      expect(guardPlaceOf({ family, name: "twill-10.244.0.0-16" })).toEqual({
        family,
        name: "twill-10.244.0.0-16",
      });
    }
    expect(guardPlaceOf({ family: "inet", name: "twill-10.244.0.0-16" })).toBeNull();
    expect(guardPlaceOf({ family: "ip", name: "twill" })).toBeNull();
  });
});
