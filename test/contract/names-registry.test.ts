/** Names of hosts through a real etcd: published, followed, and what is left of them when somebody is away. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/agent/process/system-clock.ts";
import { NameTable } from "../../src/names/name-table.ts";
import { followNames } from "../../src/names/record/follow-names.ts";
import { NamesBuilder } from "../../src/names/record/host-names.ts";
import type { HostNames } from "../../src/names/record/host-names.ts";
import { NamesPublisher } from "../../src/names/record/publish-names.ts";
import type { Ipv4Prefix } from "../../src/net/ipv4.ts";
import { STOP_DEADLINE_MS } from "../../src/process/stop-signals.ts";
import type { Registry } from "../../src/subnet-lease/registry.ts";
import { openEtcd } from "../support/etcd-clients.ts";
import { EtcdServer } from "../support/etcd-server.ts";
import { eventually } from "../support/eventually.ts";
import { addressOf, prefixOf } from "../support/ipv4.ts";
import { recordLog } from "../support/log-lines.ts";

const PREFIX = "/coreos.com/network";
const NETWORK = prefixOf("10.244.0.0/16");
const TTL_SECONDS = 5;
/** A third of the time to live, an attempt against an etcd that is away, and a busy machine. */
const IN_STEP_WITHIN = { timeoutMs: 15_000 };

/** Keeps what was told of each host, too: what is over at once would be missed by looking now and then. */
class RecordedTable extends NameTable {
  /** Subnet and names of each telling, in their order. */
  readonly told: string[] = [];

  override setHost(subnet: Ipv4Prefix, names: HostNames | null): void {
    super.setHost(subnet, names);
    this.told.push(`${subnet.toString()}: ${[...(names?.addresses.keys() ?? ["nothing"])].join()}`);
  }
}

/** One host's part: what it publishes, and what it knows. */
class Host implements AsyncDisposable {
  readonly table = new RecordedTable();
  readonly key: string;
  readonly lines;
  readonly #registry: Registry;
  readonly #publisher: NamesPublisher;
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;

  constructor(url: string, subnet: string) {
    const { log, lines } = recordLog();
    this.lines = lines;
    this.key = `${PREFIX}/names/${subnet.replace("/", "-")}`;
    this.#registry = openEtcd({ endpoints: [url] }, log);
    const deps = { registry: this.#registry, prefix: PREFIX, clock: systemClock, random: Math.random, log };
    const ownSubnet = prefixOf(subnet);
    this.#publisher = new NamesPublisher({ ...deps, subnet: ownSubnet, ttlSeconds: TTL_SECONDS });
    const { signal } = this.#stop;
    this.#running = Promise.all([
      this.#publisher.run(signal),
      followNames({ ...deps, network: NETWORK, ownSubnet, table: this.table }, signal),
    ]);
  }

  publish(names: Readonly<Record<string, string>>): void {
    const builder = new NamesBuilder();
    for (const [name, ip] of Object.entries(names)) builder.addOwner(name, addressOf(ip));
    this.#publisher.publish(builder.build());
  }

  find(name: string): string[] | null {
    return this.table.find(name)?.map(String).sort() ?? null;
  }

  owner(ip: string): string | null {
    return this.table.findOwner(addressOf(ip));
  }

  warnings(): string[] {
    return this.lines
      .filter(({ level }) => level === "warn")
      .map(({ msg, reason }) => `${msg} ${String(reason)}`);
  }

  /** Cuts it off from etcd for ever: it can say nothing any more. */
  async cutOff(): Promise<void> {
    await this.#registry.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#registry.close();
  }
}

describe("names in etcd", () => {
  let etcd: EtcdServer;
  let a: Host, b: Host;
  beforeEach(async () => {
    etcd = await EtcdServer.start({ extraArguments: ["--heartbeat-interval=20", "--election-timeout=200"] });
    a = new Host(etcd.url, "10.244.1.0/24");
    b = new Host(etcd.url, "10.244.2.0/24");
  });
  afterEach(async () => {
    await a[Symbol.asyncDispose]();
    await b[Symbol.asyncDispose]();
    await etcd[Symbol.asyncDispose]();
  });

  const finds = async (host: Host, name: string, expected: readonly string[] | null): Promise<void> => {
    await eventually(() => expect(host.find(name)).toEqual(expected), IN_STEP_WITHIN);
  };
  /** Waits until the host is told this and then that of another one, and forgets what it was told. */
  const hears = async ({ table: { told } }: Host, first: string, then: string): Promise<void> => {
    await eventually(() => expect(told.slice(told.indexOf(first))).toEqual([first, then]), IN_STEP_WITHIN);
    told.length = 0;
  };
  const valueOf = (key: string): Promise<string> => etcd.etcdctl("get", "--print-value-only", key);
  const leaseOf = async (key: string): Promise<string> => {
    const fields = await etcd.etcdctl("get", "--write-out=fields", key);
    return /"Lease" : ([0-9]+)/.exec(fields)?.[1] ?? "none";
  };

  it("are known to the other hosts, and change with them", async () => {
    a.publish({ web: "10.244.1.2" });
    b.publish({ web: "10.244.2.2", db: "10.244.2.3" });
    await finds(a, "db", ["10.244.2.3"]);
    await finds(b, "web", ["10.244.1.2"]); // not its own, which its engine tells
    expect([a.owner("10.244.2.2"), a.owner("10.244.2.3"), b.owner("10.244.1.2")]).toEqual([
      "web",
      "db",
      "web",
    ]);
    b.publish({ db: "10.244.2.4" });
    await finds(a, "db", ["10.244.2.4"]);
    await finds(a, "web", null);
    expect([a.owner("10.244.2.3"), a.owner("10.244.2.4")]).toEqual([null, "db"]);
  });

  it("are written when they change, and not with every renewal", async () => {
    a.publish({ web: "10.244.1.2" });
    await finds(b, "web", ["10.244.1.2"]);
    const before = await etcd.etcdctl("get", "--write-out=fields", a.key);
    const remaining = async (): Promise<number> => {
      const id = BigInt(await leaseOf(a.key)).toString(16);
      return Number(/remaining\(([0-9]+)s\)/.exec(await etcd.etcdctl("lease", "timetolive", id))?.[1]);
    };
    await eventually(async () => (await remaining()) < TTL_SECONDS - 1, IN_STEP_WITHIN);
    a.publish({ web: "10.244.1.2" });
    await eventually(async () => (await remaining()) >= TTL_SECONDS - 1, IN_STEP_WITHIN); // renewed
    const after = await etcd.etcdctl("get", "--write-out=fields", a.key);
    const revision = (fields: string): string | undefined => /"ModRevision" : ([0-9]+)/.exec(fields)?.[1];
    expect(revision(after)).toBe(revision(before));
    expect(revision(after)).toMatch(/^[0-9]+$/);
  });

  it("go with a host that ends, at once", async () => {
    b.publish({ db: "10.244.2.3" });
    await finds(a, "db", ["10.244.2.3"]);
    await b[Symbol.asyncDispose]();
    expect(await valueOf(b.key)).toBe("");
    await finds(a, "db", null);
  });

  it("keep nobody from ending while etcd does not answer", async () => {
    b.publish({ db: "10.244.2.3" });
    await finds(a, "db", ["10.244.2.3"]);
    etcd.pause();
    const startMs = performance.now();
    await b[Symbol.asyncDispose]();
    expect(performance.now() - startMs).toBeLessThan(STOP_DEADLINE_MS);
    etcd.resume();
    await finds(a, "db", null);
  });

  it("expire when their host says nothing any more", async () => {
    b.publish({ db: "10.244.2.3" });
    await finds(a, "db", ["10.244.2.3"]);
    await b.cutOff();
    await finds(a, "db", null);
  });

  it("stay known while etcd is away, and what changed meanwhile is told when it is back", async () => {
    a.publish({ web: "10.244.1.2" });
    b.publish({ db: "10.244.2.3" });
    await finds(a, "db", ["10.244.2.3"]);
    await finds(b, "web", ["10.244.1.2"]);
    await etcd.kill();
    b.publish({ db: "10.244.2.99" });
    await eventually(
      () => a.warnings().some((line) => line.startsWith("Lost contact with etcd")),
      IN_STEP_WITHIN,
    );
    expect(a.find("db")).toEqual(["10.244.2.3"]);
    await etcd.start();
    await finds(a, "db", ["10.244.2.99"]);
    await finds(b, "web", ["10.244.1.2"]);
  });

  it("are there again after somebody has deleted or overwritten them, or all of etcd's data is gone", async () => {
    a.publish({ web: "10.244.1.2" });
    await finds(b, "web", ["10.244.1.2"]);
    await etcd.etcdctl("del", a.key);
    await hears(b, "10.244.1.0/24: nothing", "10.244.1.0/24: web");
    await finds(b, "web", ["10.244.1.2"]);
    await etcd.etcdctl("put", a.key, '{"names":{"forged":["10.244.1.66"]}}');
    await hears(b, "10.244.1.0/24: forged", "10.244.1.0/24: web");
    await finds(b, "forged", null);
    expect(await leaseOf(a.key)).not.toBe("0");
    await etcd.etcdctl("put", `${PREFIX}/names/10.244.3.0-24`, '{"names":{"third":["10.244.3.2"]}}');
    await finds(b, "third", ["10.244.3.2"]);
    await etcd.wipe();
    await eventually(async () => expect(await valueOf(a.key)).toContain("web"), IN_STEP_WITHIN);
    await finds(b, "web", ["10.244.1.2"]);
    expect(b.find("third")).toBeNull();
  });

  it("of rubbish are left out and told once, and what was there before is no longer believed", async () => {
    a.publish({ web: "10.244.1.2" });
    b.publish({ db: "10.244.2.3" });
    await etcd.etcdctl("put", `${PREFIX}/names/10.244.3.0-24`, '{"names":{"third":["10.244.3.2"]}}');
    await finds(a, "third", ["10.244.3.2"]);
    for (const [name, value] of [
      ["10.244.3.0-24", "no JSON"],
      ["10.244.4.0-24", '{"names":{"mine":["10.244.1.2"],"fourth":["10.244.4.2"]}}'],
      ["10.244.0.0-16", '{"names":{"all":["10.244.1.2"]}}'],
      ["10.244.1.0-25", '{"names":{"half":["10.244.1.2"]}}'],
      ["198.51.100.0-24", '{"names":{"outside":["198.51.100.2"]}}'],
      ["\u001b[2J", "{}"],
    ] as const)
      await etcd.etcdctl("put", "--", `${PREFIX}/names/${name}`, value);
    await finds(a, "fourth", ["10.244.4.2"]); // the last of its own line: what comes before has been read
    await eventually(() => expect(a.warnings()).toHaveLength(6), IN_STEP_WITHIN);
    expect(["third", "mine", "all", "half", "outside"].map((name) => a.find(name))).toEqual([
      null,
      null,
      null,
      null,
      null,
    ]);
    await finds(a, "db", ["10.244.2.3"]);
    expect(a.lines.flatMap((line) => Object.values(line)).join()).not.toContain("\u001b");
    await finds(b, "all", null);
  });
});
