import { describe, expect, it } from "vitest";
import { OlderClaimReport } from "../../../../src/agent/health/older-claim-report.ts";
import { recordLog } from "../../../support/log-lines.ts";
import { lease } from "../../peers/leases.ts";

const STALE = lease("10.244.9.0/24", "192.0.2.10", { nodeId: "node-b" });
const KEY = "/coreos.com/network/subnets/10.244.9.0-24";

describe("OlderClaimReport", () => {
  it("names the lease and what to do, in one line for each lease", () => {
    const { log, lines } = recordLog();
    const report = new OlderClaimReport("/coreos.com/network", log);
    expect(report.problem(null)).toBeNull();
    for (let i = 0; i < 3; i += 1) {
      expect(report.problem({ ...STALE })).toBe(
        `Peers send to an older lease with this address, 10.244.9.0/24 of node "node-b"; if it is stale: etcdctl del ${KEY}`,
      );
    }
    expect(lines).toEqual([
      {
        level: "error",
        msg: "An older lease has the address of this node, peers do not send to ours; delete it if it is stale",
        subnet: "10.244.9.0/24",
        underlayIp: "192.0.2.10",
        nodeId: "node-b",
        remedy: `etcdctl del ${KEY}`,
      },
    ]);
  });

  it("has another line when the lease comes back, and for a lease of flannel", () => {
    const { log, lines } = recordLog();
    const report = new OlderClaimReport("/p", log);
    report.problem(STALE);
    report.problem(null);
    expect(report.problem(lease("10.244.9.0/24", "192.0.2.10"))).toContain(
      "10.244.9.0/24 of a node without id;",
    );
    expect(lines).toHaveLength(2);
    expect(lines[1]).not.toHaveProperty("nodeId");
  });
});
