import { describe, expect, it } from "vitest";
import { checkNetworkHolds } from "../../../src/cli/lab-check.ts";

describe("checkNetworkHolds", () => {
  it.each([
    ["10.244.0.0/16", 50, 100],
    ["10.244.0.0/22", 3, 100], // cut into four, the first of which is never leased
    ["10.244.0.0/28", 3, 1],
  ])("takes %s for %d hosts with %d pods each", (network, hosts, pods) => {
    expect(() => checkNetworkHolds({ network, hosts, pods })).not.toThrow();
  });

  it.each([
    ["10.244.0.0/22", 4, 1, "it has 3 subnets of /24 to lease, for 4 hosts"],
    ["10.244.0.0/28", 3, 2, "its subnets of /30 have room for 1 pod, not for 2"],
    ["10.244.0.0/29", 1, 1, "Network 10.244.0.0/29 is too small for subnets"],
    ["nonsense", 1, 1, "is not an IPv4 prefix"],
  ])("refuses %s for %d hosts with %d pods each", (network, hosts, pods, problem) => {
    expect(() => checkNetworkHolds({ network, hosts, pods })).toThrow(
      expect.objectContaining({
        code: "ERR_OPTION_INVALID",
        message: expect.stringContaining(problem) as string,
      }),
    );
  });
});
