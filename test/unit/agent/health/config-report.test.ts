import { beforeEach, describe, expect, it } from "vitest";
import { ConfigReport } from "../../../../src/agent/health/config-report.ts";
import { OverlayError } from "../../../../src/net/overlay-error.ts";
import type { StoredConfig } from "../../../../src/subnet-lease/follow-config.ts";
import { parseNetworkConfig } from "../../../../src/subnet-lease/network-config.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { recordLog } from "../../../support/log-lines.ts";
import type { LogLine } from "../../../support/log-lines.ts";

const RUNNING = '{"Network":"10.244.0.0/16"}';
const CHANGED = '{"Network":"10.244.0.0/16","EnableNFTables":true}';
const CHANGED_PROBLEM = "changed in etcd, restart the agent to apply it: EnableNFTables false -> true";
const GARBAGE = "Cannot use the network config: it is not JSON";
const UNKNOWN_BACKEND = '{"Network":"10.244.0.0/16","Backend":{"Type":"wireguard"}}';
/** No operator can mend what looking at this one runs into. */
const FAULTY_TYPE = "faulty";

const stored = (text: string): StoredConfig => ({ kind: "config", config: parseNetworkConfig(text) });
const garbage: StoredConfig = {
  kind: "unusable",
  problem: new OverlayError("ERR_CONFIG_INVALID", GARBAGE),
};
const KEY = "/coreos.com/network/config";
const deniedBy = (endpoint: string): StoredConfig => ({
  kind: "denied",
  key: KEY,
  problem: new OverlayError("ERR_REGISTRY_DENIED", `Cannot read a key: etcd at ${endpoint} denies it`),
});
const DENIED_PROBLEM = `cannot be watched in etcd: give this agent's user the right to read ${KEY}`;
const DENIED_LINE = {
  level: "warn",
  msg: "The network config in etcd cannot be watched, forwarding as before; give the agent's user the right to read its key",
  key: KEY,
  reason: "Cannot read a key: etcd at 192.0.2.1:2379 denies it",
};

describe("ConfigReport", () => {
  let clock: FakeClock;
  let lines: LogLine[];
  let report: ConfigReport;

  beforeEach(() => {
    clock = new FakeClock();
    const recorded = recordLog();
    lines = recorded.lines;
    report = new ConfigReport(parseNetworkConfig(RUNNING), {
      clock,
      log: recorded.log,
      assertUsable: ({ backendType }) => {
        if (backendType === "udp") return Promise.resolve();
        if (backendType === FAULTY_TYPE) return Promise.reject(new TypeError("undefined is not a function"));
        return Promise.reject(
          new OverlayError("ERR_BACKEND_UNKNOWN", `Cannot choose backend ${backendType}`),
        );
      },
    });
  });

  /** What stands in the status after etcd was seen to hold this, each time 5 s later than the time before. */
  async function problemAfter(seen: StoredConfig): Promise<string | null> {
    await clock.advance(5_000);
    report.observe(seen);
    await report.look();
    return report.problem;
  }

  it("says nothing of the config that the agent works by, however it is written", async () => {
    await report.look();
    expect(await problemAfter(stored(RUNNING))).toBeNull();
    expect(await problemAfter(stored('{ "network": "10.244.0.0/16" }'))).toBeNull();
    expect(lines).toEqual([]);
  });

  it("names a change and what to do in one line, however often it is looked at and written anew", async () => {
    expect(await problemAfter(stored(CHANGED))).toBe(CHANGED_PROBLEM);
    await report.look();
    expect(await problemAfter(stored(` ${CHANGED}`))).toBe(CHANGED_PROBLEM);
    expect(lines).toEqual([
      {
        level: "warn",
        msg: "The network config in etcd has changed, forwarding as before; restart the agent to apply the change",
        changes: ["EnableNFTables false -> true"],
        remedy: "systemctl restart twill",
      },
    ]);
  });

  it("has a line for each further change, and one that all is as before", async () => {
    await problemAfter(stored(CHANGED));
    await problemAfter(stored('{"Network":"10.244.0.0/16","SubnetMin":"10.244.9.0"}'));
    expect(await problemAfter(stored(RUNNING))).toBeNull();
    await problemAfter(stored(CHANGED));
    expect(lines.map(({ level, changes }) => [level, changes])).toEqual([
      ["warn", ["EnableNFTables false -> true"]],
      ["warn", ["SubnetMin 10.244.1.0 -> 10.244.9.0"]],
      ["info", undefined],
      ["warn", ["EnableNFTables false -> true"]],
    ]);
  });

  it("gives the reason once when what is there is no config", async () => {
    const problem = `not usable in etcd, mend it before an agent is restarted: ${GARBAGE}`;
    expect(await problemAfter(garbage)).toBe(problem);
    expect(await problemAfter(garbage)).toBe(problem);
    expect(await problemAfter(stored(RUNNING))).toBeNull();
    expect(lines.map(({ level, reason }) => [level, reason])).toEqual([
      ["warn", GARBAGE],
      ["info", undefined],
    ]);
  });

  it("does not advise to restart into a config that this node could not work by", async () => {
    expect(await problemAfter(stored(UNKNOWN_BACKEND))).toBe(
      "not usable in etcd, mend it before an agent is restarted: Cannot choose backend wireguard",
    );
    expect(lines.map(({ reason }) => reason)).toEqual(["Cannot choose backend wireguard"]);
  });

  it("names the right that is missing, in one line whichever endpoint denies it, and in one that it was given", async () => {
    for (let look = 0; look < 10; look++)
      expect(await problemAfter(deniedBy(`192.0.2.${1 + (look % 3)}:2379`))).toBe(DENIED_PROBLEM);
    expect(lines).toEqual([DENIED_LINE]);
    expect(await problemAfter(stored(RUNNING))).toBeNull();
    expect(await problemAfter(stored(RUNNING))).toBeNull();
    const given = {
      level: "info",
      msg: "The network config in etcd can be watched again, it is the one that this agent works by",
    };
    expect(lines).toEqual([DENIED_LINE, given]);
    expect(await problemAfter(deniedBy("192.0.2.1:2379"))).toBe(DENIED_PROBLEM);
    expect(lines).toEqual([DENIED_LINE, given, DENIED_LINE]);
  });

  it("tells of a change that was made while the right was missing as of any other", async () => {
    await problemAfter(deniedBy("192.0.2.1:2379"));
    expect(await problemAfter(stored(CHANGED))).toBe(CHANGED_PROBLEM);
    expect(await problemAfter(stored(RUNNING))).toBeNull();
    expect(lines.map(({ level, msg }) => [level, msg.split(",")[0]])).toEqual([
      ["warn", "The network config in etcd cannot be watched"],
      ["warn", "The network config in etcd has changed"],
      ["info", "The network config in etcd is again the one that this agent works by"],
    ]);
  });

  it("throws a fault of the program on, and blames nothing in etcd for it", async () => {
    const faulty = stored(`{"Network":"10.244.0.0/16","Backend":{"Type":"${FAULTY_TYPE}"}}`);
    await expect(problemAfter(faulty)).rejects.toThrow(TypeError);
    expect(report.problem).toBeNull();
    expect(lines).toEqual([]);
  });

  it("has at most one line in 5 s, the last of them about what stands there", async () => {
    for (let i = 0; i < 600; i++) {
      report.observe(i % 2 === 0 ? stored(CHANGED) : garbage);
      await report.look();
      await clock.advance(100);
    }
    expect(lines.length).toBeGreaterThan(1);
    expect(lines.length).toBeLessThanOrEqual(12);
    report.observe(stored(RUNNING));
    await clock.advance(5_000);
    await report.look();
    expect(report.problem).toBeNull();
    expect(lines.at(-1)?.level).toBe("info");
  });
});
