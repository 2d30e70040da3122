import { describe, expect, it } from "vitest";
import { parseNeighbours, planNeighbours } from "../../../src/kernel/neighbours.ts";
import type { Neighbour, PresentNeighbour } from "../../../src/kernel/neighbours.ts";
import { addressOf } from "../../support/ipv4.ts";
import { macOf } from "../../support/mac.ts";

/** From `ip -j -4 neigh show dev flannel.1 nud all` of iproute2 6.1. */
const NEIGHBOURS = JSON.parse(`[
  {"dst":"10.244.10.0","lladdr":"02:00:00:00:00:04","extern_learn":null,"state":["PERMANENT"]},
  {"dst":"10.244.4.0","lladdr":"02:00:00:00:00:04","state":["NOARP"]},
  {"dst":"10.244.2.0","lladdr":"02:00:00:00:00:02","state":["PERMANENT"]},
  {"dst":"10.244.3.0","lladdr":"02:00:00:00:00:03","state":["REACHABLE"]},
  {"dst":"10.244.77.1","state":["INCOMPLETE"]}
]`) as unknown;

const neighbour = (address: string, mac: string): Neighbour => ({
  address: addressOf(address),
  mac: macOf(mac),
});
const TWO = neighbour("10.244.2.0", "02:00:00:00:00:02");
const permanent = (entry: Neighbour): PresentNeighbour => ({ ...entry, isPermanent: true });

describe("parseNeighbours", () => {
  it("reads what ip prints, in whatever state", () => {
    expect(parseNeighbours(NEIGHBOURS)).toEqual([
      permanent(neighbour("10.244.10.0", "02:00:00:00:00:04")),
      { ...neighbour("10.244.4.0", "02:00:00:00:00:04"), isPermanent: false },
      permanent(TWO),
      { ...neighbour("10.244.3.0", "02:00:00:00:00:03"), isPermanent: false },
      { address: addressOf("10.244.77.1"), mac: null, isPermanent: false },
    ]);
  });

  it.each([[null], [{}], [[null, {}, { dst: "fe80::1", state: ["PERMANENT"] }]]])(
    "reads nothing from %j",
    (json) => {
      expect(parseNeighbours(json)).toEqual([]);
    },
  );
});

describe("planNeighbours", () => {
  const plan = (wanted: Neighbour[], present: PresentNeighbour[]): string[] =>
    planNeighbours("flannel.1", wanted, present).map((words) => words.join(" "));
  const make = "neigh replace 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1 nud permanent";

  it("has nothing to do when all is there", () => {
    expect(plan([TWO], [permanent(TWO)])).toEqual([]);
  });

  it.each<[string, PresentNeighbour[]]>([
    ["is missing", []],
    ["has another MAC", [permanent(neighbour("10.244.2.0", "02:00:00:00:00:03"))]],
    ["was learnt", [{ ...TWO, isPermanent: false }]],
    ["has no MAC yet", [{ ...TWO, mac: null, isPermanent: false }]],
    ["has no MAC for ever", [{ ...TWO, mac: null, isPermanent: true }]],
  ])("makes an entry that %s", (_what, present) => {
    expect(plan([TWO], present)).toEqual([make]);
  });

  it("removes what is permanent and not wanted, and leaves what comes and goes, and link-local ones", () => {
    const present = [
      permanent(neighbour("10.244.9.0", "02:00:00:00:00:02")),
      { ...neighbour("10.244.3.0", "02:00:00:00:00:03"), isPermanent: false },
      permanent(neighbour("169.254.1.1", "02:00:00:00:00:09")),
    ];
    expect(plan([TWO], present)).toEqual([make, "neigh del 10.244.9.0 dev flannel.1"]);
  });
});
