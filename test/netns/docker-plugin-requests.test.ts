/** What Docker and its user hear when the plugin's host hangs, and when a network is to be forgotten that Docker still has. */
import { createServer } from "node:http";
import type { Server } from "node:http";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PluginHost } from "../support/docker-plugin.ts";
import { eventually } from "../support/eventually.ts";
import { deviceNames } from "../support/host-devices.ts";
import { DockerNetwork, hostNamespace, newId } from "../support/libnetwork.ts";
import type { HostNamespace } from "../support/libnetwork.ts";
import { NetworkNamespace } from "../support/network-namespace.ts";
import { SlowHost } from "../support/slow-host.ts";

const SUBNET = "10.244.7.0/24";
/** What every request is promised. */
const PROMISED_MS = 2000;
/** Until all is done that was asked for on a host that hung: some runs of `ip`, each given up after 1.5 s. */
const SETTLE_TIMEOUT_MS = 20_000;
const WAITED = "the requests before it take too long";
const HANGS = "ip or the disk of this host hangs";

let place: NetworkNamespace;
let host: HostNamespace;
let plugin: PluginHost;

beforeEach(async () => {
  place = await NetworkNamespace.create();
  host = hostNamespace(place);
  plugin = await PluginHost.create(place);
  await plugin.setLease(SUBNET);
});
afterEach(async () => {
  await plugin[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

interface StoredState {
  readonly networks: readonly { readonly id: string }[];
  readonly endpoints: readonly { readonly id: string }[];
  readonly pools: readonly { readonly held: readonly { readonly address: string }[] }[];
}

async function onDisk(): Promise<{ networks: string[]; endpoints: string[]; held: string[] }> {
  const text = await readFile(join(plugin.stateDir, "state.json"), "utf8");
  const { networks, endpoints, pools } = JSON.parse(text) as StoredState;
  return {
    networks: networks.map(({ id }) => id),
    endpoints: endpoints.map(({ id }) => id),
    held: pools.flatMap(({ held }) => held.map(({ address }) => address)),
  };
}

/** An answer and the time that it took. */
interface Heard {
  /** "granted", or the sentence. */
  readonly said: string;
  readonly tookMs: number;
}

async function hear(answer: Promise<unknown>): Promise<Heard> {
  const startMs = performance.now();
  const said = await answer.then(
    () => "granted",
    (err: unknown) => (err as Error).message,
  );
  return { said, tookMs: performance.now() - startMs };
}

/** What is heard, which must come in time. */
async function inTime(answer: Promise<unknown>): Promise<string> {
  const { said, tookMs } = await hear(answer);
  expect(tookMs).toBeLessThan(PROMISED_MS);
  return said;
}

async function settled(check: () => void | Promise<void>): Promise<void> {
  await eventually(check, { timeoutMs: SETTLE_TIMEOUT_MS });
}

describe("twill docker-plugin on a host that hangs", () => {
  let slow: SlowHost;
  beforeEach(async () => {
    slow = await SlowHost.create();
  });
  afterEach(async () => {
    await slow[Symbol.asyncDispose]();
  });

  async function start(): Promise<void> {
    plugin.launch([], slow.wrapper);
    await plugin.waitReady();
  }

  it("answers many requests at once in time while ip hangs, begins none of them late, and loses nothing that is given back", async () => {
    await start();
    const network = await DockerNetwork.create(plugin, host);
    const addresses = [await network.requestAddress(), await network.requestAddress()] as const;
    const [kept, ended] = [newId(), newId()];
    await network.createEndpoint(addresses[0], kept);
    await network.createEndpoint(addresses[1], ended);
    await network.join(kept);
    await network.join(ended);
    const before = await deviceNames(host);

    await slow.ipHangs(true);
    const joins = Array.from({ length: 10 }, () => hear(network.join(kept)));
    const requests = Array.from({ length: 5 }, () => hear(network.requestAddress()));
    const ids = { NetworkID: network.id, EndpointID: ended };
    const deletion = hear(plugin.ask("NetworkDriver.DeleteEndpoint", ids));
    const release = hear(network.releaseAddress(addresses[1]));
    const heard = await Promise.all([...joins, ...requests, deletion, release]);
    expect(Math.max(...heard.map(({ tookMs }) => tookMs))).toBeLessThan(PROMISED_MS);
    expect((await joins[0])?.said).toBe("Cannot run ip -j -d address show: no end after 1500 ms");
    const late = (method: string, why: string, then: string): string =>
      `Cannot carry out ${method} within 1800 ms: ${why}; ${then}`;
    expect((await joins[1])?.said).toBe(late("NetworkDriver.Join", HANGS, "nothing of it stays, try again"));
    expect((await requests[4])?.said).toBe(
      late("IpamDriver.RequestAddress", WAITED, "nothing of it stays, try again"),
    );
    expect((await deletion).said).toBe(
      late("NetworkDriver.DeleteEndpoint", WAITED, "it is carried out as soon as that ends"),
    );
    expect((await release).said).toContain("it is carried out as soon as that ends");

    await slow.ipHangs(false);
    await settled(async () => {
      const { endpoints, held } = await onDisk();
      expect([endpoints, held]).toEqual([[kept], ["10.244.7.2"]]);
    });
    const gone = `twh${ended.slice(0, 12)}`;
    expect(await deviceNames(host)).toEqual(
      before.filter((name) => name !== gone && name !== gone.replace("twh", "twc")),
    );
    expect(await network.requestAddress()).toBe("10.244.7.4/24"); // none was given meanwhile
    await network.join(kept);
  });

  it("answers in time while each run of ip is slow, and finishes what it has begun", async () => {
    await start();
    const network = await DockerNetwork.create(plugin, host);
    const endpointId = newId();
    await network.createEndpoint(await network.requestAddress(), endpointId);
    const veth = [`twc${endpointId.slice(0, 12)}`, `twh${endpointId.slice(0, 12)}`];
    const bridge = `tw-${network.id.slice(0, 12)}`;
    await slow.ipDelay(1); // two runs for each
    expect(await inTime(network.join(endpointId))).toContain(HANGS);
    await slow.ipDelay(null);
    await settled(async () => expect(await deviceNames(host)).toEqual([bridge, ...veth].sort()));
    await network.join(endpointId); // as Docker may, which was told that it had failed
    expect(await deviceNames(host)).toEqual([bridge, ...veth].sort());

    await slow.ipDelay(1);
    const ids = { NetworkID: network.id, EndpointID: endpointId };
    expect(await inTime(plugin.ask("NetworkDriver.DeleteEndpoint", ids))).toContain("it is carried out");
    await settled(async () => expect((await onDisk()).endpoints).toEqual([]));
    await slow.ipDelay(null);
    await settled(async () => expect(await deviceNames(host)).toEqual([bridge]));
  });

  it("takes back a network that was made too late, so that the next try finds its place free", async () => {
    await start();
    await slow.ipDelay(0.7); // three runs
    const { said } = await hear(DockerNetwork.create(plugin, host, { subnet: SUBNET }));
    expect(said).toContain("Cannot carry out NetworkDriver.CreateNetwork within 1800 ms");
    expect(plugin.lastAnswerMs).toBeLessThan(PROMISED_MS); // the requests before it have times of their own
    await settled(() => expect(plugin.output).toContain("Request finished after its answer"));
    expect((await onDisk()).networks).toEqual([]);
    await slow.ipDelay(null);
    await settled(async () => expect(await deviceNames(host)).toEqual([])); // on a busy host ip may have been given up once more
    const network = await DockerNetwork.create(plugin, host);
    expect(await deviceNames(host)).toEqual([`tw-${network.id.slice(0, 12)}`]);
  });

  it("removes later what it can neither finish nor take back", async () => {
    await start();
    await slow.batchStays(true);
    const making = hear(DockerNetwork.create(plugin, host));
    await settled(async () => expect((await onDisk()).networks).toHaveLength(1));
    await settled(async () => expect(await deviceNames(host)).toHaveLength(1));
    await slow.ipHangs(true);
    expect((await making).said).toContain(HANGS);
    await settled(async () => expect((await onDisk()).networks).toEqual([]));
    expect(await deviceNames(host)).toHaveLength(1); // nobody knows it any more, and it has the lease's address
    await slow.ipHangs(false);
    await slow.batchStays(false);
    const network = await DockerNetwork.create(plugin, host);
    expect(await deviceNames(host)).toEqual([`tw-${network.id.slice(0, 12)}`]);
  });

  it("gives no address that nobody hears of while the disk hangs, and the same one to who asks again", async () => {
    await start();
    const network = await DockerNetwork.create(plugin, host);
    await slow.diskHangs(true);
    const asked = Promise.all([
      inTime(network.requestAddress("10.244.7.77")),
      inTime(network.requestAddress("10.244.7.77")),
    ]);
    const [first, second] = await asked;
    expect(first).toContain(HANGS);
    expect(second).toContain(WAITED);
    await slow.diskHangs(false);
    await settled(() => expect(plugin.output).toContain("Request finished after its answer"));
    expect((await onDisk()).held).toEqual([]);
    expect(await network.requestAddress("10.244.7.77")).toBe("10.244.7.77/24");
  });

  it("answers from its start on, while what it looks for at its start hangs", async () => {
    await slow.ipHangs(true);
    await start();
    expect(plugin.output).not.toContain("Cannot remove devices of an earlier run");
    expect(await inTime(plugin.ask("IpamDriver.RequestPool", { Pool: SUBNET }))).toBe("granted"); // as Docker at its start
  });
});

describe("twill docker-plugin --forget", () => {
  let engine: Server;
  let answer: { status: number; body: object };
  let asked: string[];
  let flag: string;
  let network: DockerNetwork;
  let short: string;

  beforeEach(async () => {
    [asked, answer] = [[], { status: 200, body: {} }];
    const socket = join(plugin.directory, "docker.sock");
    flag = `--docker-socket=${socket}`;
    engine = createServer((request, response) => {
      asked.push(`${request.method ?? ""} ${request.url ?? ""}`);
      response.writeHead(answer.status).end(JSON.stringify(answer.body));
    });
    engine.listen(socket);
    await once(engine, "listening");
    await plugin.start();
    network = await DockerNetwork.create(plugin, host);
    short = network.id.slice(0, 12);
  });
  afterEach(async () => {
    await new Promise<void>((resolve) => engine.close(() => resolve()));
  });

  it("leaves a network alone that Docker has, and forgets one that it does not have", async () => {
    answer.body = { Id: network.id, Containers: {} };
    expect(await plugin.run(["--forget", short, flag])).toEqual({
      code: 1,
      output: `twill: Cannot forget network ${short}: Docker still has it; remove it there: docker network rm ${short}\n`,
    });
    expect(asked).toEqual([`GET /networks/${network.id}`]);
    expect((await onDisk()).networks).toEqual([network.id]);
    expect(await deviceNames(host)).toEqual([`tw-${short}`]);

    answer = { status: 404, body: { message: `network ${network.id} not found` } };
    expect(await plugin.run(["--forget", short, flag])).toEqual({
      code: 0,
      output: `forgot network ${network.id}\n`,
    });
    expect(await deviceNames(host)).toEqual([]);
  });

  it("leaves it alone when Docker does not say, unless Docker is not to be asked", async () => {
    answer = { status: 500, body: { message: "no" } };
    const sentence = (reason: string): string =>
      `whether it still has it (${reason}); start Docker, give --docker-socket, or where it is gone for certain --docker-socket "", which asks nobody`;
    expect((await plugin.run(["--forget", short, flag])).output).toContain(
      sentence("it answers with status 500"),
    );
    const absent = join(plugin.directory, "no.sock");
    const silent = await plugin.run(["--forget", short, `--docker-socket=${absent}`]);
    expect(silent).toMatchObject({ code: 1 });
    expect(silent.output).toContain(sentence(`connect ENOENT ${absent}`));
    expect((await onDisk()).networks).toEqual([network.id]);
    expect(await plugin.run(["--forget", short, "--docker-socket="])).toMatchObject({ code: 0 });
    expect((await onDisk()).networks).toEqual([]);
  });
});
