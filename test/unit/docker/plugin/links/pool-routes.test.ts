import { describe, expect, it } from "vitest";
import { refuseRouted } from "../../../../../src/docker/plugin/links/pool-routes.ts";
import { NETWORK, sentenceOf } from "../samples.ts";

describe("refuseRouted", () => {
  const LEASE = NETWORK.lease.subnet;

  it.each(["10.244.7.0/24", "10.244.7.128/25", "10.244.0.0/16", "10.244.7.9"])("refuses beside %s", (dst) => {
    const routes = [
      { dst: "192.0.2.0/24", dev: "eth0" },
      { dst, dev: "docker0" },
    ];
    const prefix = dst.includes("/") ? dst : `${dst}/32`;
    expect(sentenceOf(() => refuseRouted(LEASE, routes))).toBe(
      `Cannot make the network: device docker0 has ${prefix}, and this host's lease is 10.244.7.0/24; take that away first (dockerd --bip, a CNI bridge, another network)`,
    );
  });

  it("lets pass what overlaps nothing, as a default route does for Docker", () => {
    for (const dst of ["10.244.8.0/24", "default", "192.0.2.9"])
      expect(() => refuseRouted(LEASE, [{ dst, dev: "eth0" }])).not.toThrow();
  });
});
