import { describe, expect, it } from "vitest";
import { refuseRouted } from "../../../../../src/docker/plugin/links/pool-routes.ts";
import type { RivalOwner } from "../../../../../src/net/lease-rival.ts";
import { NETWORK, sentenceOf } from "../samples.ts";

describe("refuseRouted", () => {
  const LEASE = NETWORK.lease.subnet;
  const OWNER = (device: string): RivalOwner => ({ kind: device === "ov0" ? "device" : "unknown" });

  it.each(["10.244.7.0/24", "10.244.7.128/25", "10.244.0.0/16", "10.244.7.9"])("refuses beside %s", (dst) => {
    const routes = [
      { dst: "192.0.2.0/24", dev: "eth0" },
      { dst, dev: "ov0" },
    ];
    const lease = "this host's lease 10.244.7.0/24";
    const prefix = dst.includes("/") ? dst : `${dst}/32`;
    const where = dst === "10.244.7.0/24" ? lease : `${prefix}, which overlaps ${lease}`;
    expect(sentenceOf(() => refuseRouted(LEASE, routes, OWNER))).toBe(
      `Cannot make the network: device ov0 has the route to ${where}, which carries one network; take the route away: ip route delete ${prefix} dev ov0`,
    );
  });

  it("lets pass what overlaps nothing, as a default route does for Docker", () => {
    for (const dst of ["10.244.8.0/24", "default", "192.0.2.9"])
      expect(() => refuseRouted(LEASE, [{ dst, dev: "eth0" }], OWNER)).not.toThrow();
  });
});
