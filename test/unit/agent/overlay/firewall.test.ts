import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Firewall } from "../../../../src/agent/overlay/firewall.ts";
import type { FirewallWish } from "../../../../src/agent/overlay/firewall.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { prefixOf } from "../../../support/ipv4.ts";
import { recordLog } from "../../../support/log-lines.ts";

const AUDIT_EVERY_MS = 5_000;
const RULES = {
  network: prefixOf("10.244.0.0/16"),
  ownSubnet: prefixOf("10.244.1.0/24"),
  isMasquerading: true,
  isForwarding: true,
  isFullyRandom: true,
};

function wish(peerCount: number): FirewallWish {
  return {
    rules: RULES,
    guard: {
      network: RULES.network,
      ownSubnet: RULES.ownSubnet,
      underlayInterface: "eth0",
      underlayPrefixes: [],
      isSourceChecked: true,
      tunnel: null,
      peers: Array.from({ length: peerCount }, (_, i) => ({
        subnet: prefixOf(`10.244.${i + 2}.0/24`),
        underlayIp: RULES.network.address,
        isDirect: true,
      })),
    },
  };
}

describe("Firewall", () => {
  let clock: FakeClock;
  let calls: string[];
  /** What the programs do when they are asked to. */
  let failing: Set<string>;
  let repairs: number;
  let recorded: ReturnType<typeof recordLog>;
  let firewall: Firewall;
  let stop: AbortController;
  let running: Promise<void>;

  const call = (name: string): Promise<number> => {
    calls.push(name);
    return failing.has(name) ? Promise.reject(new Error(`${name} failed`)) : Promise.resolve(repairs);
  };

  beforeEach(() => {
    clock = new FakeClock();
    calls = [];
    failing = new Set();
    repairs = 0;
    recorded = recordLog();
    stop = new AbortController();
    firewall = new Firewall({
      rules: { keep: () => call("keep") },
      guard: {
        sync: (wanted) => call(`sync ${wanted?.peers.length ?? "none"}`),
        audit: () => call("audit"),
        readDrops: () => Promise.resolve({}),
      },
      clock,
      log: recorded.log,
      auditEveryMs: AUDIT_EVERY_MS,
      onTried: () => void calls.push("tried"),
    });
    running = firewall.run(stop.signal);
  });

  afterEach(async () => {
    stop.abort();
    await running;
    expect(clock.sleeping).toBe(0);
  });

  it("leaves what an earlier run left until it is told what to keep", async () => {
    await clock.advance(10 * AUDIT_EVERY_MS);
    expect(calls).toEqual([]);
  });

  /** Calls of one program, in order. */
  const ofGuard = (): string[] => calls.filter((name) => /^(sync|audit)/.test(name));
  const ofRules = (): string[] => calls.filter((name) => name === "keep");

  it("makes guard and rules, compares what it made, and says once that it has tried", async () => {
    firewall.want(wish(1));
    await clock.advance(0);
    expect(ofGuard()).toEqual(["sync 1", "audit"]);
    expect(ofRules()).toEqual(["keep", "keep"]);
    expect(calls.filter((name) => name === "tried")).toHaveLength(1);
  });

  it("changes the guard alone for other peers, and nothing for the same wish", async () => {
    firewall.want(wish(1));
    await clock.advance(0);
    calls.length = 0;
    firewall.want(wish(2));
    firewall.want(wish(2));
    await clock.advance(0);
    expect(calls).toEqual(["sync 2"]);
  });

  it("audits both, without a cause and soon after a change, and tells of repairs once a minute", async () => {
    firewall.want(wish(1));
    await clock.advance(0);
    calls.length = 0;
    await clock.advance(AUDIT_EVERY_MS);
    expect([ofGuard(), ofRules()]).toEqual([["audit"], ["keep"]]);
    await clock.advance(1_000);
    repairs = 1;
    for (let i = 0; i < 3; i++) {
      firewall.doubt();
      await clock.advance(1_100);
    }
    expect([ofGuard(), ofRules()]).toEqual([Array(4).fill("audit"), Array(4).fill("keep")]);
    expect(recorded.lines.map(({ level, msg, rules }) => [level, msg, rules])).toEqual([
      ["warn", "Firewall rules were changed, repaired", "guard"],
      ["warn", "Firewall rules were changed, repaired", "flannel"],
    ]);
  });

  it("keeps up the guard where flannel's rules cannot be made, retries, and says when it works again", async () => {
    failing.add("keep");
    firewall.want(wish(1));
    await clock.advance(0);
    expect(calls).toContain("tried");
    expect(recorded.lines.map(({ level }) => level)).toEqual(["error"]);
    calls.length = 0;
    repairs = 1;
    await clock.advance(AUDIT_EVERY_MS);
    expect(ofGuard()).toEqual(["audit"]);
    failing.clear();
    await clock.advance(5_000);
    expect(recorded.lines.map(({ msg }) => msg)).toContain("flannel's firewall rules are up to date again");
  });

  it("sleeps between events where no time is set for audits", async () => {
    stop.abort();
    await running;
    stop = new AbortController();
    firewall = new Firewall({
      rules: { keep: () => call("keep") },
      guard: { sync: () => call("sync"), audit: () => call("audit"), readDrops: () => Promise.resolve({}) },
      clock,
      log: recorded.log,
      auditEveryMs: Infinity,
      onTried: () => undefined,
    });
    running = firewall.run(stop.signal);
    firewall.want(wish(1));
    await clock.advance(60_000);
    calls.length = 0;
    await clock.advance(3_600_000);
    expect(calls).toEqual([]);
    firewall.doubt();
    await clock.advance(50);
    expect([...calls].sort()).toEqual(["audit", "keep"]);
  });
});
