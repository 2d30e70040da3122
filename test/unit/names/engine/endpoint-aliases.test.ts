import { describe, expect, it } from "vitest";
import { parseAliases } from "../../../../src/names/engine/endpoint-aliases.ts";

const ID = "3bd7c2f2a3bba0f9e53f6dba73ef46992d7c9294d60ef14a73516ecc4b46a323";

/** As Docker 20.10 answers, without what is not read. */
function answer(networks: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ Id: ID, Name: "/web", NetworkSettings: { Networks: networks } });
}

describe("parseAliases", () => {
  it("gives each endpoint its own, and no short id of the container", () => {
    const text = answer({
      one: { EndpointID: "717483362aa6", Aliases: ["Shop.One", "we b", "3bd7c2f2a3bb"] },
      two: { EndpointID: "c381bcc7c577", Aliases: ["second", "3bd7c2f2a3b"] },
      three: { EndpointID: "538f0ac54b34", Aliases: null },
    });
    expect([...parseAliases(text)]).toEqual([
      ["717483362aa6", ["Shop.One", "we b"]],
      ["c381bcc7c577", ["second", "3bd7c2f2a3b"]],
      ["538f0ac54b34", []],
    ]);
  });

  it("makes nothing of an endpoint that is none", () => {
    expect(
      parseAliases(answer({ one: { EndpointID: "", Aliases: ["web"] }, two: null, three: [] })).size,
    ).toBe(0);
  });

  it.each(["[]", "null", '{"NetworkSettings":7}', '{"NetworkSettings":{"Networks":[]}}'])(
    "makes nothing of %s",
    (text) => expect(parseAliases(text).size).toBe(0),
  );

  it("leaves out what is no text", () => {
    const text = answer({ one: { EndpointID: "717483362aa6", Aliases: [7, "web", null, ["db"]] } });
    expect([...parseAliases(text).values()]).toEqual([["web"]]);
  });

  it("refuses what is no JSON", () => {
    expect(() => parseAliases("<html>")).toThrow(/Docker's answer is no JSON/);
  });
});
