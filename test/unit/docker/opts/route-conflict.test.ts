import { describe, expect, it } from "vitest";
import { findRouteConflict } from "../../../../src/docker/opts/route-conflict.ts";

/** What `ip -o -4 route show` prints. */
const ROUTES = [
  "default via 192.0.2.254 dev eth0 ",
  "10.244.0.0/16 dev flannel0 scope link ",
  "10.244.7.0/24 dev docker0 proto kernel scope link src 10.244.7.1 ",
  "110.244.8.0/24 via 192.0.2.3 dev eth0 ",
  "10.244.9.0/24 via 192.0.2.4 dev eth0 proto static ",
  "blackhole 10.244.0.0/16 metric 4278198272 ",
  "",
].join("\n");

describe("findRouteConflict", () => {
  it("finds the route that leads the subnet through a gateway", () => {
    expect(findRouteConflict("10.244.9.1/24", ROUTES)).toBe(
      "10.244.9.0/24 via 192.0.2.4 dev eth0 proto static",
    );
  });

  it.each([
    ["10.244.7.1/24", "the bridge's own"],
    ["10.244.8.1/24", "one whose text ends with the subnet"],
    ["10.244.9.1/25", "another length"],
    ["10.244.9.2/24", "a subnet that begins elsewhere"],
    ["0.0.0.0/24", "no address before it"],
    ["not an address", "no subnet"],
    ["", "nothing"],
  ])("does not take for one, with %s: %s", (subnet) => expect(findRouteConflict(subnet, ROUTES)).toBeNull());
});
