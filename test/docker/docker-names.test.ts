/** Containers of two engines find each other by name, on each kind of network that they get a lease's addresses from. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { formatSubnetFile } from "../../src/files/subnet-file.ts";
import { ETCD_PREFIX } from "../../src/lab/lab-etcd.ts";
import { WEB_DIRECTORY, WEB_PORT } from "../support/docker/busybox-image.ts";
import type { EngineContainer } from "../support/docker/engine-container.ts";
import { EngineLab } from "../support/docker/engine-lab.ts";
import type { EngineHost, EngineLabOptions } from "../support/docker/engine-lab.ts";
import { describeOnEngines } from "../support/docker/engine-machine.ts";
import { NamesProcess } from "../support/docker/names-process.ts";
import { PluginHost } from "../support/docker-plugin.ts";
import { eventually } from "../support/eventually.ts";
import { prefixOf } from "../support/ipv4.ts";

const NETWORK = "overlay";
const NAMES_PREFIX = `${ETCD_PREFIX}/names/`;
const TTL_SECONDS = 5;
/** From a change in an engine to its name on the other host, on a busy machine. */
const TOLD_WITHIN = { timeoutMs: 30_000 };
/** The time to live, and what etcd takes to look. */
const EXPIRED_WITHIN = { timeoutMs: (TTL_SECONDS + 10) * 1000 };
/** On the underlay, of no host. */
const AWAY = "192.0.2.99";
/** What Docker's resolver waits for each of the others at least. */
const RESOLVER_TIMEOUT_MS = 2_000;
/** Of which a resolver that is asked would make each one late; a busy machine makes few. */
const QUICK_TRIES = 5;
const COMPOSE = "com.docker.compose";

interface Setting extends EngineLabOptions {
  readonly network?: string;
  /** Gives the host's engine the network. */
  readonly prepareEngine?: (host: EngineHost) => Promise<AsyncDisposable>;
}

/** docs/docker-plugin.md */
async function createNetwork({ host, engine }: EngineHost): Promise<AsyncDisposable> {
  const socket = join(engine.pluginDirectory, "twill.sock");
  const plugin = await PluginHost.create(host.namespace, host.files.subnetFile, socket);
  await plugin.start([`--docker-socket=${engine.socket}`]);
  await engine.docker(["network", "create", "--driver=twill", "--ipam-driver=twill", NETWORK]);
  return plugin;
}

/** Containers ask their name servers themselves there, and Docker's own resolver here. */
const SETTINGS: (readonly [string, Setting])[] = [
  ["dockerd --bip", {}],
  ["the network plugin", { engineFlags: () => [], network: NETWORK, prepareEngine: createNetwork }],
];

/** An address that containers reach through their network on the lease, as they reach its gateway, and that none gets. */
async function resolverOf({ host }: Pick<EngineHost, "host">): Promise<string> {
  return (await host.subnetFile()).subnet.last.plus(-1).toString();
}

describeOnEngines.each(SETTINGS)(
  "twill docker-names with %s",
  (_name, { network, prepareEngine, ...options }) => {
    let lab: EngineLab;
    const opened: AsyncDisposable[] = [];
    const names: NamesProcess[] = [];

    beforeAll(async () => {
      lab = await EngineLab.create(options);
      opened.push(lab);
      for (const one of lab.hosts) {
        if (prepareEngine !== undefined) opened.push(await prepareEngine(one));
        names.push(await startNames(one, [`--ttl=${TTL_SECONDS}`]));
        // In the place of a resolver of the house: a server that knows another zone, and for it this host's names.
        const resolver = await resolverOf(one);
        await one.host.execChecked(["ip", "address", "add", `${resolver}/32`, "dev", "lo"]);
        await startNames(one, ["--zone=corp", "--etcd-prefix=/corp", `--listen=${resolver}`], "corp");
      }
    });
    afterAll(async () => {
      for (const one of opened.reverse()) await one[Symbol.asyncDispose]();
    });

    async function startNames(
      { host, engine }: EngineHost,
      flags: readonly string[],
      name?: string,
    ): Promise<NamesProcess> {
      const started = await NamesProcess.start(lab.lab, host, {
        dockerSocket: engine.socket,
        flags,
        ...(name === undefined ? {} : { name }),
      });
      opened.push(started);
      return started;
    }

    /** As docs/docker.md has it. @param resolver the one after ours */
    async function run(
      { host, engine }: EngineHost,
      name: string,
      flags: readonly string[] = [],
      resolver?: string,
    ): Promise<EngineContainer> {
      const next = resolver ?? (await resolverOf({ host }));
      const dns = [
        `--dns=${await host.gateway()}`,
        `--dns=${next}`,
        "--dns-search=twill",
        "--dns-opt=ndots:1",
      ];
      return await engine.run(name, {
        flags: [...dns, ...flags],
        ...(network === undefined ? {} : { network }),
      });
    }

    /** The address that the container's own resolver gives it, by a ping that must be answered. */
    async function pinged(from: EngineContainer, name: string): Promise<string> {
      const output = await from.dockerExec(["ping", "-c", "1", "-W", "2", name]);
      return /^PING \S+ \(([0-9.]+)\)/.exec(output)?.[1] ?? output;
    }

    it("lets containers of each engine ping those of the other by name, and fetch from them over TCP", async () => {
      const [here, there] = lab.hosts;
      const [a, b] = [await run(here, "alpha"), await run(there, "beta")];
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        await to.dockerExec(["sh", "-c", `echo ${to.name} >${WEB_DIRECTORY}/word`]);
        expect(await eventually(() => pinged(from, to.name), TOLD_WITHIN)).toBe(to.address);
        const url = `http://${to.name}:${WEB_PORT}/word`;
        expect(await from.dockerExec(["wget", "-q", "-O", "-", url])).toBe(`${to.name}\n`);
        await to.printed(`${from.address}:`);
      }
    });

    it("leaves every other name to the container's next name server", async () => {
      const [here] = lab.hosts;
      const asking = await run(here, "asking");
      expect(await eventually(() => pinged(asking, "asking.corp"), TOLD_WITHIN)).toBe(asking.address);
    });

    it("is asked alone for a plain name: a resolver that is away keeps nobody waiting", async () => {
      const [here, there] = lab.hosts;
      const hasty = await run(here, "hasty", [], AWAY);
      const quick = await run(there, "quick");
      await eventually(() => pinged(hasty, "quick"), TOLD_WITHIN);
      const tookMs: number[] = [];
      for (let tries = 0; tries < QUICK_TRIES; tries++) {
        const startMs = performance.now();
        expect(await pinged(hasty, "quick")).toBe(quick.address);
        tookMs.push(performance.now() - startMs);
      }
      expect(Math.min(...tookMs)).toBeLessThan(RESOLVER_TIMEOUT_MS);
    });

    it("knows the services of compose, each by itself and with its project", async () => {
      const [here, there] = lab.hosts;
      const labels = [`--label=${COMPOSE}.service=db`, `--label=${COMPOSE}.project=shop`];
      const db = await run(there, "shop_db_1", labels);
      const asking = await run(here, "asking-db");
      for (const name of ["db", "db.shop", "shop_db_1", "shop_db_1.twill"])
        expect(await eventually(() => pinged(asking, name), TOLD_WITHIN)).toBe(db.address);
    });

    // Docker has none on its default bridge.
    if (network !== undefined)
      it("knows the aliases in the network, of several containers on all hosts", async () => {
        const [here, there] = lab.hosts;
        const pool = await Promise.all([
          run(here, "pool-1", ["--network-alias=pool", "--network-alias=first.pool"]),
          run(there, "pool-2", ["--network-alias=pool"]),
        ]);
        const asking = await run(here, "asking-pool");
        await eventually(async () => {
          const output = await asking.dockerExec(["nslookup", "-type=a", "pool.twill"]);
          const addresses = [...output.matchAll(/^Address: ([0-9.]+)$/gm)].map(([, address]) => address);
          expect(addresses.sort()).toEqual(pool.map(({ address }) => address).sort());
        }, TOLD_WITHIN);
        expect(await pinged(asking, "first.pool.twill")).toBe(pool[0].address);
        const shortId = pool[1].id.slice(0, 12);
        await expect(pinged(asking, `${shortId}.twill`)).rejects.toThrow(/bad address/);
      });

    it("says whose an address of any host is", async () => {
      const [here, there] = lab.hosts;
      const asking = await run(here, "asking-whose");
      const owner = await run(there, "Owner", [`--label=${COMPOSE}.service=aaa`]);
      await eventually(async () => {
        expect(await asking.dockerExec(["nslookup", owner.address])).toContain("name = owner.twill\n");
      }, TOLD_WITHIN);
    });

    it.each([
      ["removed", ["rm", "--force"]],
      ["stopped", ["stop", "--time=0"]],
      ["killed", ["kill"]],
    ])("forgets a container that was %s", async (how, command) => {
      const [here, there] = lab.hosts;
      const asking = await run(here, `asking-${how}`);
      const gone = await run(there, `gone-${how}`);
      expect(await eventually(() => pinged(asking, gone.name), TOLD_WITHIN)).toBe(gone.address);
      await there.engine.docker([...command, gone.name]);
      await eventually(() => expect(pinged(asking, gone.name)).rejects.toThrow(/bad address/), TOLD_WITHIN);
    });

    it("knows the containers of an engine that was started anew", async () => {
      const [here, there] = lab.hosts;
      const asking = await run(here, "asking-anew");
      await there.engine.stopDaemon();
      await there.engine.startDaemon();
      const anew = await run(there, "anew");
      expect(await eventually(() => pinged(asking, "anew"), TOLD_WITHIN)).toBe(anew.address);
    });

    it("waits for the host's lease, and follows it to another", async () => {
      const [{ host, engine }] = lab.hosts;
      const directory = await mkdtemp(join(tmpdir(), "twill-names-"));
      try {
        const file = join(directory, "subnet.env");
        const flags = [`--subnet-file=${file}`, "--etcd-prefix=/moved", "--listen=127.0.0.1"];
        await using moving = await startNames(lab.hosts[0], flags, "moving");
        await eventually(
          async () => expect((await moving.logLines()).join()).toContain("Waiting for this host's subnet"),
          TOLD_WITHIN,
        );
        const leased = await host.subnetFile();
        const other = { ...leased, subnet: prefixOf("10.244.250.0/24") };
        const keys = (): Promise<string> => lab.lab.etcd.etcdctl(["get", "--prefix", "/moved/names/"]);
        for (const content of [leased, other]) {
          await writeFile(file, formatSubnetFile(content));
          const key = `/moved/names/${content.subnet.toString().replace("/", "-")}\n`;
          await eventually(async () => expect((await keys()).startsWith(key)).toBe(true), TOLD_WITHIN);
        }
        const moved = '/moved/names/10.244.250.0-24\n{"names":{},"owners":{}}\n'; // the other is gone, long before it expires
        await eventually(async () => expect(await keys()).toBe(moved), TOLD_WITHIN);
        expect(await engine.docker(["ps", "--quiet"])).not.toBe("");
      } finally {
        await rm(directory, { recursive: true });
      }
    });

    it("forgets the containers of a host on which it was killed, after its time to live", async () => {
      const [here, there] = lab.hosts;
      const asking = await run(here, "asking-last");
      await run(there, "last");
      await eventually(() => pinged(asking, "last"), TOLD_WITHIN);
      const { subnet } = await there.host.subnetFile();
      const key = `${NAMES_PREFIX}${subnet.toString().replace("/", "-")}`;
      expect(await lab.lab.etcd.etcdctl(["get", key])).toContain('"last":');

      names[1]?.kill("SIGKILL");
      await eventually(async () => expect(await lab.lab.etcd.etcdctl(["get", key])).toBe(""), EXPIRED_WITHIN);
      await eventually(() => expect(pinged(asking, "last")).rejects.toThrow(/bad address/), TOLD_WITHIN);
      expect(await pinged(asking, "alpha")).toMatch(/^10\./); // its own host's are there
    });

    it("takes its names with it when it is told to stop", async () => {
      const [here] = lab.hosts;
      const { subnet } = await here.host.subnetFile();
      const key = `${NAMES_PREFIX}${subnet.toString().replace("/", "-")}`;
      expect(await lab.lab.etcd.etcdctl(["get", key])).toContain('"alpha":');
      expect(await names[0]?.stop()).toEqual({ code: 0, signal: null });
      expect(await lab.lab.etcd.etcdctl(["get", key])).toBe("");
    });
  },
);
