import { describe, expect, it } from "vitest";
import { parseTables } from "../../../../src/agent/cleanup/firewall-remains.ts";

describe("parseTables", () => {
  it("reads what nft lists, the line about itself left out", () => {
    const json = {
      nftables: [
        { metainfo: { version: "1.0.6", json_schema_version: 1 } },
        { table: { family: "ip", name: "twill-10.244.0.0-16", handle: 1 } },
        { table: { family: "inet", name: "filter", handle: 2 } },
      ],
    };
    expect(parseTables(json)).toEqual(["ip twill-10.244.0.0-16", "inet filter"]);
  });

  it.each([null, [], {}, { nftables: {} }, { nftables: [{ table: 1 }] }])("finds none in %j", (json) =>
    expect(parseTables(json)).toEqual([]),
  );
});
