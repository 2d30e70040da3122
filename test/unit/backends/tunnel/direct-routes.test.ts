import { describe, expect, it } from "vitest";
import { planDirectRoutes } from "../../../../src/backends/tunnel/direct-routes.ts";
import { gatewayRoute } from "../../../../src/kernel/routes.ts";
import type { Peer } from "../../../../src/peers/peer.ts";
import { addressOf, prefixOf } from "../../../support/ipv4.ts";

const peer = (subnet: string, underlayIp: string): Peer => ({
  subnet: prefixOf(subnet),
  underlayIp: addressOf(underlayIp),
  backend: { type: "vxlan" },
  nodeId: null,
});
const route = (subnet: string, underlayIp: string, device = "eth0"): ReturnType<typeof gatewayRoute> =>
  gatewayRoute(prefixOf(subnet), addressOf(underlayIp), device);

describe("planDirectRoutes", () => {
  it("has a route for each peer that is on-link, by the device it is on, and for no other", () => {
    const peers = [
      peer("10.244.2.0/24", "192.0.2.2"),
      peer("10.244.3.0/24", "198.51.100.3"),
      peer("10.244.4.0/24", "203.0.113.4"),
      peer("10.244.5.0/24", "192.0.2.5"),
    ];
    const ways = new Map([
      [addressOf("192.0.2.2").value, "eth0"],
      [addressOf("198.51.100.3").value, null],
      [addressOf("192.0.2.5").value, "eth1"],
      [addressOf("192.0.2.99").value, "eth0"],
    ]);
    expect(planDirectRoutes(peers, ({ value }) => ways.get(value) ?? null)).toEqual([
      route("10.244.2.0/24", "192.0.2.2"),
      route("10.244.5.0/24", "192.0.2.5", "eth1"),
    ]);
  });
});
