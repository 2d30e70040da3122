import { describe, expect, it } from "vitest";
import { describeRival } from "../../../src/net/lease-rival.ts";
import type { LeaseRival, RivalOwner } from "../../../src/net/lease-rival.ts";
import { addressOf, prefixOf } from "../../support/ipv4.ts";

const LEASE = prefixOf("10.244.7.0/24");
const GATEWAY: LeaseRival["claim"] = { kind: "address", address: addressOf("10.244.7.1"), prefixLength: 24 };

function sentenceFor(rival: Partial<LeaseRival>, otherWay?: string): string {
  return describeRival(
    { device: "br0", claim: GATEWAY, owner: { kind: "bridge" }, ...rival },
    LEASE,
    otherWay,
  );
}

describe("describeRival", () => {
  const REMOVALS: [owner: RivalOwner, removal: string][] = [
    [
      { kind: "plugin-network", network: "a1a1a1a1a1a1" },
      "remove the network plugin's network: docker network rm a1a1a1a1a1a1 (where Docker does not know it: twill docker-plugin --forget a1a1a1a1a1a1; where neither knows it: ip link delete dev br0)",
    ],
    [
      { kind: "lost-network", network: "a1a1a1a1a1a1" },
      "remove the containers on network a1a1a1a1a1a1, which this plugin does not know, or: ip link delete dev br0",
    ],
    [
      { kind: "bridge" },
      "remove its network where Docker has one (docker network rm), or once no container needs it: ip link delete dev br0",
    ],
    [
      { kind: "other-plugin", network: "a1a1a1a1a1a1" },
      "remove the network of another network plugin, with a state directory of its own: docker network rm a1a1a1a1a1a1 at its Docker while that plugin runs, or where they are gone for good: ip link delete dev br0",
    ],
    [
      { kind: "unknown-plugin", network: "a1a1a1a1a1a1" },
      "remove the network of a network plugin whose state directory is not known, as its state was lost or it is another engine's: docker network rm a1a1a1a1a1a1 at the Docker that has it, or where none has it: ip link delete dev br0",
    ],
    [{ kind: "device" }, "take the address away: ip address delete 10.244.7.1/24 dev br0"],
    [
      { kind: "unknown" },
      "remove its network where Docker has one (docker network rm), or once no container needs it: ip link delete dev br0",
    ],
  ];
  it.each(REMOVALS)("names what it is of and how %j goes", (owner, removal) => {
    expect(sentenceFor({ owner })).toBe(
      `device br0 has 10.244.7.1 of this host's lease 10.244.7.0/24, which carries one network; ${removal}`,
    );
  });

  it("has Docker start with another --bip for its own bridge", () => {
    const fix = "; start Docker with a --bip beside the overlay: without one it keeps that of its last start";
    expect(sentenceFor({ device: "docker0" })).toContain(fix);
    expect(sentenceFor({ device: "docker0", owner: { kind: "unknown" } })).toContain(fix);
  });

  const ROUTES: [destination: string, claim: string][] = [
    ["10.244.7.0/24", "has the route to this host's lease 10.244.7.0/24, which carries one network; take"],
    ["10.244.7.128/25", "has the route to 10.244.7.128/25, which overlaps this host's lease 10.244.7.0/24,"],
  ];
  it.each(ROUTES)("tells of a rival with a route to %s", (destination, claim) => {
    const route: LeaseRival["claim"] = { kind: "route", destination: prefixOf(destination) };
    const sentence = sentenceFor({ claim: route, owner: { kind: "device" } });
    expect(sentence).toContain(`device br0 ${claim}`);
    expect(sentence).toContain(`; take the route away: ip route delete ${destination} dev br0`);
  });

  it("names another way first", () => {
    expect(sentenceFor({ owner: { kind: "device" } }, "run dockerd without --bip")).toContain(
      "; run dockerd without --bip, or take the address away: ip address",
    );
  });

  it("quotes a name that is no plain word, in the commands", () => {
    const sentence = sentenceFor({ device: "$(id)\u001b", owner: { kind: "device" } });
    expect(sentence).toContain("device $(id)\\u001b has 10.244.7.1");
    expect(sentence).toMatch(/dev '\$\(id\)\\u001b'$/);
  });
});
