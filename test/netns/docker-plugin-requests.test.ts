/** What a user hears of the plugin, beside what Docker asks of it. */
import { createServer } from "node:http";
import type { Server } from "node:http";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PluginHost } from "../support/docker-plugin.ts";
import { DockerNetwork, hostNamespace } from "../support/libnetwork.ts";
import type { HostNamespace } from "../support/libnetwork.ts";
import { NetworkNamespace } from "../support/network-namespace.ts";

const SUBNET = "10.244.7.0/24";

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

/** Names of the host's devices but loopback. */
async function devices(): Promise<string[]> {
  const links = JSON.parse(await host.ip(["-j", "link", "show"])) as { ifname: string }[];
  return links
    .map(({ ifname }) => ifname)
    .filter((name) => name !== "lo")
    .sort();
}

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
    expect(await devices()).toEqual([`tw-${short}`]);

    answer = { status: 404, body: { message: `network ${network.id} not found` } };
    expect(await plugin.run(["--forget", short, flag])).toEqual({
      code: 0,
      output: `forgot network ${network.id}\n`,
    });
    expect(await devices()).toEqual([]);
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
