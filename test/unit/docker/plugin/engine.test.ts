/** The search for what Docker no longer knows; the engine at the edge is a server that answers as dockerd does. */
import { createServer } from "node:http";
import type { Server } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { askEngine, parseEngineNetwork } from "../../../../src/docker/plugin/engine/ask-engine.ts";
import { inParts, withoutLost } from "../../../../src/docker/plugin/engine/lost-items.ts";
import type { LostItems } from "../../../../src/docker/plugin/engine/lost-items.ts";
import { LostSearch } from "../../../../src/docker/plugin/engine/lost-search.ts";
import type { Endpoint, PluginState } from "../../../../src/docker/plugin/state/plugin-state.ts";
import { poolIdOf } from "../../../../src/docker/plugin/state/plugin-state.ts";
import { MacAddress } from "../../../../src/net/mac.ts";
import { addressOf } from "../../../support/ipv4.ts";
import { recordLog } from "../../../support/log-lines.ts";
import { ENDPOINT_ID, LEASE, NETWORK_ID, OTHER_ENDPOINT_ID, WITH_NETWORK } from "./samples.ts";

const POOL_ID = poolIdOf(LEASE.subnet);

/** What `GET /networks/ID` of dockerd 20.10 says, as far as it is read. */
function engineAnswer(
  containers: readonly { endpointId: string; address: string }[],
  reserved: string[] = [],
): object {
  return {
    Id: NETWORK_ID,
    Driver: "twill",
    IPAM: {
      Driver: "twill",
      Config: [{ Subnet: "10.244.7.0/24", AuxiliaryAddresses: Object.fromEntries(reserved.entries()) }],
    },
    Containers: Object.fromEntries(
      containers.map(({ endpointId, address }, i) => [
        `container${i}`,
        {
          Name: `c${i}`,
          EndpointID: endpointId,
          MacAddress: "",
          IPv4Address: `${address}/24`,
          IPv6Address: "",
        },
      ]),
    ),
  };
}

function endpoint(id: string, address: string): [string, Endpoint] {
  return [id, { id, networkId: NETWORK_ID, address: addressOf(address), mac: new MacAddress(1) }];
}

function stateWith(held: Record<string, number>, endpoints: [string, Endpoint][] = []): PluginState {
  const entries = Object.entries(held).map(([address, grant]): [number, number] => [
    addressOf(address).value,
    grant,
  ]);
  const pool = { subnet: LEASE.subnet, gateway: LEASE.gateway, held: new Map(entries), released: [] };
  return { ...WITH_NETWORK, grants: 100, endpoints: new Map(endpoints), pools: new Map([[POOL_ID, pool]]) };
}

describe("parseEngineNetwork", () => {
  it("reads endpoints, and the addresses of containers and those set aside", () => {
    const answer = engineAnswer([{ endpointId: ENDPOINT_ID, address: "10.244.7.2" }], ["10.244.7.250"]);
    expect(parseEngineNetwork(JSON.stringify(answer), NETWORK_ID)).toEqual({
      endpointIds: new Set([ENDPOINT_ID]),
      addresses: new Set([addressOf("10.244.7.2").value, addressOf("10.244.7.250").value]),
    });
  });

  it("takes nothing for proof that is not of this network, or not as it should be", () => {
    const answer = engineAnswer([]);
    for (const text of [
      JSON.stringify({ ...answer, Id: "f".repeat(64) }),
      JSON.stringify({ ...answer, Containers: [] }),
      JSON.stringify({ ...answer, Containers: { c: { EndpointID: 5, IPv4Address: "" } } }),
      JSON.stringify({ ...answer, Containers: { c: { EndpointID: "e", IPv4Address: "somewhere" } } }),
      JSON.stringify({ ...answer, IPAM: { Config: {} } }),
      "null",
      "<html>",
      "",
    ])
      expect(parseEngineNetwork(text, NETWORK_ID), text).toBeNull();
  });
});

describe("LostSearch", () => {
  let directory: string;
  let socketPath: string;
  let server: Server;
  let answer: { status: number; body: object };
  let asked: string[];
  let state: PluginState;
  let freed: LostItems[];
  let onFree: () => void;
  let search: LostSearch;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "twill-engine-"));
    socketPath = join(directory, "docker.sock");
    answer = { status: 200, body: engineAnswer([]) };
    [asked, freed] = [[], []];
    onFree = () => undefined;
    server = createServer((request, response) => {
      asked.push(`${request.method ?? ""} ${request.url ?? ""}`);
      response.writeHead(answer.status).end(JSON.stringify(answer.body));
    });
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    search = new LostSearch({
      socketPath,
      readState: () => state,
      free(lost) {
        freed.push(lost);
        state = withoutLost(state, lost);
        onFree();
        return Promise.resolve();
      },
      log: recordLog().log,
    });
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    rmSync(directory, { recursive: true });
  });

  it("frees what the engine does not know in two looks, and keeps what it knows", async () => {
    const living = endpoint(ENDPOINT_ID, "10.244.7.2");
    const dead = endpoint(OTHER_ENDPOINT_ID, "10.244.7.3");
    const held = { "10.244.7.2": 1, "10.244.7.3": 2, "10.244.7.4": 3, "10.244.7.250": 4 };
    state = stateWith(held, [living, dead]);
    answer.body = engineAnswer([{ endpointId: ENDPOINT_ID, address: "10.244.7.2" }], ["10.244.7.250"]);
    await search.look();
    expect(freed).toEqual([]);
    await search.look();
    expect(asked).toEqual([`GET /networks/${NETWORK_ID}`, `GET /networks/${NETWORK_ID}`]);
    expect(freed).toHaveLength(2);
    expect([...state.endpoints.keys()]).toEqual([ENDPOINT_ID]);
    const pool = state.pools.get(POOL_ID);
    expect([...(pool?.held.keys() ?? [])]).toEqual(
      ["10.244.7.2", "10.244.7.250"].map((text) => addressOf(text).value),
    );
    expect(pool?.released).toEqual(["10.244.7.3", "10.244.7.4"].map((text) => addressOf(text).value));
    await search.look();
    expect(freed).toHaveLength(2); // the endpoint, and then addresses
  });

  it("frees many in parts, and stops when it is closed", async () => {
    const many = Array.from({ length: 120 }, (_, i) =>
      endpoint(`${i}`.padStart(64, "e"), `10.244.7.${i + 2}`),
    );
    const held = many.map(([, { address }], i): [string, number] => [address.toString(), i]);
    state = stateWith(Object.fromEntries(held), many);
    await search.look();
    await search.look();
    expect(freed.map(({ endpointIds, addresses }) => [endpointIds.length, addresses.length])).toEqual([
      ...[50, 50, 20].map((count) => [count, 0]),
      [0, 120],
    ]);
    expect([state.endpoints.size, state.pools.get(POOL_ID)?.held.size]).toEqual([0, 0]);

    state = stateWith(Object.fromEntries(held), many);
    freed.length = 0;
    onFree = () => search.close();
    await search.look();
    expect(freed).toHaveLength(1);
  });

  it("keeps what came between the looks: an address given anew, an endpoint just made", async () => {
    state = stateWith({ "10.244.7.2": 1 });
    await search.look();
    state = stateWith({ "10.244.7.2": 2 }, [endpoint(ENDPOINT_ID, "10.244.7.2")]);
    await search.look();
    expect(freed).toEqual([]);
  });

  it("keeps the address of an endpoint that the engine knows, whatever it says of the address", async () => {
    state = stateWith({ "10.244.7.2": 1 }, [endpoint(ENDPOINT_ID, "10.244.7.2")]);
    answer.body = engineAnswer([{ endpointId: ENDPOINT_ID, address: "10.244.7.99" }]);
    await search.look();
    await search.look();
    expect(freed).toEqual([]);
  });

  it("keeps everything when the engine does not know the network, or does not answer", async () => {
    state = stateWith({ "10.244.7.2": 1 }, [endpoint(ENDPOINT_ID, "10.244.7.2")]);
    answer = { status: 404, body: { message: "no such network" } };
    await search.look();
    await search.look();
    expect(await askEngine(join(directory, "nobody.sock"), NETWORK_ID)).toBeNull();
    expect(asked).toHaveLength(2);
    answer = { status: 200, body: engineAnswer([]) };
    await search.look(); // the first that counts
    expect(freed).toEqual([]);
  });
});

describe("inParts", () => {
  it("leaves nothing out, and makes no part of nothing", () => {
    const addresses = [{ poolId: POOL_ID, value: 1, grant: 1 }];
    expect(inParts({ endpointIds: ["a", "b", "c"], addresses }, 2)).toEqual([
      { endpointIds: ["a", "b"], addresses: [] },
      { endpointIds: ["c"], addresses: [] },
      { endpointIds: [], addresses },
    ]);
    expect(inParts({ endpointIds: [], addresses: [] }, 2)).toEqual([]);
  });
});

describe("withoutLost", () => {
  it("leaves an address alone that was given anew since", () => {
    const state = stateWith({ "10.244.7.2": 8 });
    const lost = { poolId: POOL_ID, value: addressOf("10.244.7.2").value, grant: 7 };
    expect(withoutLost(state, { endpointIds: ["gone"], addresses: [lost] })).toBe(state);
  });
});
