/** The right to read the network config is taken from the agent's user of a real etcd, and comes back. */
import { describe, expect, it } from "vitest";
import { ConfigReport } from "../../src/agent/health/config-report.ts";
import { systemClock } from "../../src/agent/process/system-clock.ts";
import { followNetworkConfig } from "../../src/subnet-lease/follow-config.ts";
import { LeaseFollower } from "../../src/subnet-lease/follow-leases.ts";
import { parseNetworkConfig } from "../../src/subnet-lease/network-config.ts";
import { openEtcd } from "../support/etcd-clients.ts";
import { EtcdServer } from "../support/etcd-server.ts";
import { eventually } from "../support/eventually.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { recordLog } from "../support/log-lines.ts";
import type { LogLine } from "../support/log-lines.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

const PREFIX = "/coreos.com/network";
const KEY = `${PREFIX}/config`;
const LEASE_KEY = `${PREFIX}/subnets/10.244.1.0-24`;
const RUNNING = '{"Network":"10.244.0.0/16"}';
const CHANGED = '{"Network":"10.244.0.0/16","EnableNFTables":true}';
const PASSWORD = "correct horse battery staple";
/** More than the config's lines are kept apart. */
const NEXT_LINE_AFTER_MS = 5_000;

/** The user `agent`, who may read leases and the config. */
async function addAgentUser(server: EtcdServer): Promise<void> {
  await server.enableAuth(PASSWORD);
  await server.etcdctl("role", "add", "agent");
  await server.etcdctl("role", "grant-permission", "agent", "--prefix=true", "read", `${PREFIX}/subnets/`);
  await server.etcdctl("role", "grant-permission", "agent", "read", KEY);
  await server.etcdctl("user", "add", `agent:${PASSWORD}`);
  await server.etcdctl("user", "grant-role", "agent", "agent");
}

/** Follows leases and config as an agent does that works by {@link RUNNING}; the time of the config moves by hand. */
class Following implements AsyncDisposable {
  readonly follower: LeaseFollower;
  readonly lines: LogLine[];
  leases = 0;
  readonly #clock = new FakeClock();
  readonly #registry: ReturnType<typeof openEtcd>;
  readonly #report: ConfigReport;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(endpoints: readonly string[]) {
    const clock = this.#clock;
    const { log, lines } = recordLog();
    const report = new ConfigReport(parseNetworkConfig(RUNNING), {
      clock,
      log,
      assertUsable: () => Promise.resolve(),
    });
    const registry = openEtcd({ endpoints, login: { username: "agent", password: PASSWORD } });
    const shared = { registry, prefix: PREFIX, random: Math.random };
    this.follower = new LeaseFollower({
      ...shared,
      clock: systemClock,
      log: recordLog().log,
      onView: (view) => (this.leases = view.leases.length),
      beside: (signal) =>
        followNetworkConfig({ ...shared, clock, onConfig: (stored) => report.observe(stored) }, signal),
      signal: this.#stop.signal,
    });
    this.lines = lines;
    this.#report = report;
    this.#registry = registry;
    this.#running = this.follower.run();
  }

  /** Moves to the next member, and waits until its watch stands and it was asked for the config. */
  async failOver(): Promise<void> {
    const { relists } = this.follower.status;
    this.#registry.reconnect();
    await eventually(
      () =>
        this.follower.status.relists > relists &&
        this.follower.status.isConnected &&
        this.#clock.sleeping === 1,
    );
    await this.#look();
  }

  /** Looks, as time passes, until the status says this. */
  async untilTold(problem: string | null): Promise<void> {
    await eventually(async () => {
      await this.#look();
      expect(this.#report.problem).toBe(problem);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#registry.close();
    expect(this.#clock.sleeping).toBe(0);
  }

  async #look(): Promise<void> {
    await this.#clock.advance(NEXT_LINE_AFTER_MS);
    await this.#report.look();
  }
}

describe("followNetworkConfig on etcd", () => {
  it("has one line for a right that is taken, whichever member denies, and one when it comes back", async () => {
    await using server = await EtcdServer.start();
    await server.etcdctl("put", KEY, RUNNING);
    await addAgentUser(server);
    await using proxy = await TcpProxy.start(server.url);
    await using following = new Following([server.url, proxy.url]);
    const changed = "changed in etcd, restart the agent to apply it: EnableNFTables false -> true";
    await eventually(() => following.follower.status.isConnected);
    await server.etcdctl("put", KEY, CHANGED);
    await following.untilTold(changed);

    await server.etcdctl("role", "revoke-permission", "agent", KEY);
    await server.etcdctl("put", KEY, RUNNING);
    for (let round = 0; round < 4; round++) await following.failOver();
    await following.untilTold(`cannot be watched in etcd: give this agent's user the right to read ${KEY}`);
    const { relists } = following.follower.status;
    await server.etcdctl("role", "grant-permission", "agent", "read", KEY);
    await following.untilTold(null);
    await server.etcdctl("put", KEY, CHANGED);
    await following.untilTold(changed);

    expect(following.lines.map(({ level, msg }) => `${level}: ${msg.split(/[,;]/)[0] ?? ""}`)).toEqual([
      "warn: The network config in etcd has changed",
      "warn: The network config in etcd cannot be watched",
      "info: The network config in etcd can be watched again",
      "warn: The network config in etcd has changed",
    ]);
    await server.etcdctl("put", LEASE_KEY, '{"PublicIP":"192.0.2.1","PublicIPv6":null}');
    await eventually(() => expect(following.leases).toBe(1));
    expect(following.follower.status).toMatchObject({ isConnected: true, relists });
  });
});
