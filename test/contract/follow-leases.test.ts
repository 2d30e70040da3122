/** Following the leases of a real etcd through everything that can happen to it. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/agent/process/system-clock.ts";
import { LeaseFollower } from "../../src/subnet-lease/follow-leases.ts";
import type { LeaseView } from "../../src/subnet-lease/lease.ts";
import type { Registry } from "../../src/subnet-lease/registry.ts";
import { openEtcd } from "../support/etcd-clients.ts";
import { EtcdServer } from "../support/etcd-server.ts";
import { eventually } from "../support/eventually.ts";
import { recordLog } from "../support/log-lines.ts";
import type { LogLine } from "../support/log-lines.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

const PREFIX = "/coreos.com/network";
const PASSWORD = "correct horse battery staple";
/** From the return of etcd to a view that equals its content. */
const IN_STEP_WITHIN_MS = 6_000;
/** From the moment a connection loses everything to our knowing it. */
const NOTICED_WITHIN_MS = 20_000;

/** A follower of its own registry; what it saw last, and what it said. */
class Following implements AsyncDisposable {
  readonly follower: LeaseFollower;
  readonly lines: LogLine[];
  view: LeaseView | null = null;
  readonly #registry: Registry;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(url: string, login: { username: string; password: string } | null = null) {
    const { log, lines } = recordLog();
    this.lines = lines;
    this.#registry = openEtcd({ endpoints: [url], login }, log);
    this.follower = new LeaseFollower({
      registry: this.#registry,
      prefix: PREFIX,
      clock: systemClock,
      random: Math.random,
      log,
      onView: (view) => (this.view = view),
      signal: this.#stop.signal,
    });
    this.#running = this.follower.run();
  }

  /** `subnet underlay-address` of every lease it knows. */
  leases(): string[] {
    return (this.view?.leases ?? []).map(
      (lease) => `${lease.subnet.toString()} ${lease.attributes.underlayIp.toString()}`,
    );
  }

  async waitUntilConnected(timeoutMs = IN_STEP_WITHIN_MS): Promise<void> {
    await eventually(() => this.follower.status.isConnected, { timeoutMs });
  }

  /** Lines an operator sees. */
  shown(): string[] {
    return this.lines.filter((line) => line.level !== "debug").map((line) => line.msg);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#registry.close();
  }
}

const leaseKey = (n: number): string => `${PREFIX}/subnets/10.244.${n}.0-24`;
const leaseValue = (host: number): string => `{"PublicIP":"192.0.2.${host}","PublicIPv6":null}`;
const lease = (n: number, host: number): string => `10.244.${n}.0/24 192.0.2.${host}`;

let unhandled: unknown[];
const onUnhandled = (reason: unknown): void => void unhandled.push(reason);

beforeEach(() => {
  unhandled = [];
  process.on("unhandledRejection", onUnhandled);
});
afterEach(() => {
  process.off("unhandledRejection", onUnhandled);
  expect(unhandled).toEqual([]);
});

/** What etcd holds, told by etcd's own client. */
async function leasesIn(server: EtcdServer): Promise<string[]> {
  const output = await server.etcdctl("get", "--prefix", `${PREFIX}/subnets/`);
  const lines = output.split("\n").filter((line) => line !== "");
  return lines.flatMap((key, i) => {
    if (i % 2 === 1) return [];
    const { PublicIP } = JSON.parse(lines[i + 1] ?? "{}") as { PublicIP: string };
    return [`${key.slice(`${PREFIX}/subnets/`.length).replace("-", "/")} ${PublicIP}`];
  });
}

async function expectInStep(
  following: Following,
  server: EtcdServer,
  timeoutMs = IN_STEP_WITHIN_MS,
): Promise<void> {
  const wanted = await leasesIn(server);
  await eventually(() => expect(following.leases().sort()).toEqual(wanted.sort()), { timeoutMs });
}

describe("LeaseFollower on etcd", () => {
  it("sees leases come, change and go", async () => {
    await using server = await EtcdServer.start();
    await server.etcdctl("put", leaseKey(1), leaseValue(1));
    await using following = new Following(server.url);
    await eventually(() => expect(following.leases()).toEqual([lease(1, 1)]));
    await following.waitUntilConnected();
    await server.etcdctl("put", leaseKey(2), leaseValue(2));
    await server.etcdctl("put", leaseKey(1), leaseValue(3));
    await eventually(() => expect(following.leases()).toEqual([lease(1, 3), lease(2, 2)]));
    await server.etcdctl("del", leaseKey(1));
    await eventually(() => expect(following.leases()).toEqual([lease(2, 2)]));
    expect(following.follower.status).toMatchObject({ isConnected: true, relists: 0 });
    expect(following.shown()).toEqual([]);
  });

  it("is back in step within 6 s after etcd was stopped or killed, with a line at either end", async () => {
    await using server = await EtcdServer.start();
    await server.etcdctl("put", leaseKey(1), leaseValue(1));
    await using following = new Following(server.url);
    await following.waitUntilConnected();
    for (const end of ["stop", "kill"] as const) {
      await server[end]();
      await eventually(() => !following.follower.status.isConnected);
      expect(following.leases()).toContain(lease(1, 1));
      await server.start();
      await server.etcdctl("put", leaseKey(2), leaseValue(end === "stop" ? 2 : 3));
      await expectInStep(following, server);
      await following.waitUntilConnected();
    }
    expect(following.follower.status.relists).toBe(2);
    expect(following.shown()).toEqual([
      "Lost contact with the registry, keeping the leases as they are",
      "Back in step with the registry",
      "Lost contact with the registry, keeping the leases as they are",
      "Back in step with the registry",
    ]);
  });

  it("starts without etcd and finds it when it comes", async () => {
    await using server = await EtcdServer.start();
    await server.etcdctl("put", leaseKey(1), leaseValue(1));
    await server.kill();
    await using following = new Following(server.url);
    await eventually(() => expect(following.shown()).toHaveLength(1));
    expect(following.view).toBeNull();
    await server.start();
    await expectInStep(following, server);
  });

  it("loses nothing when the history is compacted again and again while it watches", async () => {
    await using server = await EtcdServer.start();
    await using following = new Following(server.url);
    await following.waitUntilConnected();
    for (let i = 1; i <= 20; i++) {
      await server.etcdctl("put", leaseKey(i), leaseValue(i));
      if (i > 2) await server.etcdctl("del", leaseKey(i - 2));
      const { revision } = await headerOf(server);
      await server.etcdctl("compaction", revision.toString());
    }
    await expectInStep(following, server);
    expect(following.leases()).toHaveLength(2);
    expect(following.follower.status.relists).toBeLessThanOrEqual(1);
    expect(following.shown().length).toBeLessThanOrEqual(2);
  });

  it("needs one more list when the history is compacted while it is away", async () => {
    await using server = await EtcdServer.start();
    await using proxy = await TcpProxy.start(server.url);
    await server.etcdctl("put", leaseKey(1), leaseValue(1));
    await using following = new Following(proxy.url);
    await following.waitUntilConnected();
    proxy.refuse(true);
    await eventually(() => !following.follower.status.isConnected);
    await server.etcdctl("put", leaseKey(2), leaseValue(2));
    await server.etcdctl("del", leaseKey(1));
    const { revision } = await headerOf(server);
    await server.etcdctl("compaction", revision.toString());
    proxy.refuse(false);
    await expectInStep(following, server);
    await following.waitUntilConnected();
    expect(following.follower.status.relists).toBe(1);
    expect(following.shown()).toHaveLength(2);
  });

  it("takes what a wiped etcd holds under its new cluster id, within 10 s", async () => {
    await using server = await EtcdServer.start();
    for (let n = 1; n <= 3; n++) await server.etcdctl("put", leaseKey(n), leaseValue(n));
    await using following = new Following(server.url);
    await eventually(() => expect(following.leases()).toHaveLength(3));
    const before = following.view;
    await server.wipe();
    await server.etcdctl("put", leaseKey(4), leaseValue(4));
    await expectInStep(following, server, 10_000);
    expect(following.view?.revision).toBe(2n);
    // etcd derives the id from its peer URLs: a new directory behind the same address keeps it
    expect(following.view?.clusterId).toBe(before?.clusterId);
    expect(following.shown()).toContain(
      "The registry was replaced or set back, taking its leases as they are now",
    );
  });

  it("logs in again by itself when etcd has forgotten its token, and tells nobody the password", async () => {
    await using server = await EtcdServer.start();
    await server.enableAuth(PASSWORD);
    await server.etcdctl("put", leaseKey(1), leaseValue(1));
    await using following = new Following(server.url, { username: "root", password: PASSWORD });
    await following.waitUntilConnected();
    for (let round = 2; round <= 4; round++) {
      await server.kill();
      await server.start();
      await server.forgetTokens();
      await server.etcdctl("put", leaseKey(round), leaseValue(round));
      await expectInStep(following, server);
      await following.waitUntilConnected();
    }
    expect(JSON.stringify(following.lines)).not.toContain(PASSWORD);
    expect(JSON.stringify(following.lines)).not.toContain("denies");
  });

  it("ends in step after a storm of changes and broken connections", async () => {
    await using server = await EtcdServer.start();
    await using proxy = await TcpProxy.start(server.url);
    await using following = new Following(proxy.url);
    await following.waitUntilConnected();
    for (let i = 0; i < 60; i++) {
      const n = 1 + ((i * 7) % 11);
      if (i % 3 === 2) await server.etcdctl("del", leaseKey(n));
      else await server.etcdctl("put", leaseKey(n), leaseValue(1 + i));
      if (i % 4 === 1) proxy.breakConnections();
    }
    await expectInStep(following, server);
    expect(following.shown().length).toBeLessThanOrEqual(10);
  });
});

describe.concurrent("a connection that dies without a word", () => {
  it("is noticed within 20 s when etcd is frozen", async () => {
    await using server = await EtcdServer.start();
    await server.etcdctl("put", leaseKey(1), leaseValue(1));
    await using following = new Following(server.url);
    await following.waitUntilConnected();
    server.pause();
    await eventually(() => !following.follower.status.isConnected, { timeoutMs: NOTICED_WITHIN_MS });
    expect(following.leases()).toEqual([lease(1, 1)]);
    server.resume();
    await server.etcdctl("put", leaseKey(2), leaseValue(2));
    await expectInStep(following, server);
  });

  it("is replaced within 20 s when only it is dead", async () => {
    await using server = await EtcdServer.start();
    await using proxy = await TcpProxy.start(server.url);
    await using following = new Following(proxy.url);
    await following.waitUntilConnected();
    proxy.blackholeConnections();
    await server.etcdctl("put", leaseKey(1), leaseValue(1));
    await expectInStep(following, server, NOTICED_WITHIN_MS);
  });
});

async function headerOf(server: EtcdServer): Promise<{ revision: bigint }> {
  const output = await server.etcdctl("get", "/", "--write-out=fields");
  return { revision: BigInt(/"Revision" : (\d+)/.exec(output)?.[1] ?? "0") };
}
