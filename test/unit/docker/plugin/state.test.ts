import fc from "fast-check";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readHostLease, withLease } from "../../../../src/docker/plugin/state/host-lease.ts";
import { emptyState, poolIdOf } from "../../../../src/docker/plugin/state/plugin-state.ts";
import type { Endpoint, PluginState } from "../../../../src/docker/plugin/state/plugin-state.ts";
import { StateStore, readState } from "../../../../src/docker/plugin/state/state-store.ts";
import { decodeState, encodeState } from "../../../../src/docker/plugin/state/stored-state.ts";
import { MacAddress } from "../../../../src/net/mac.ts";
import { Ipv4Address } from "../../../../src/net/ipv4.ts";
import { EMPTY, LEASE, NETWORK, NETWORK_ID, WITH_NETWORK } from "./samples.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "twill-plugin-state-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const value = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const states = fc
  .record({
    grants: fc.nat(),
    endpoints: fc.uniqueArray(
      fc.record({ id: fc.stringMatching(/^[0-9a-f]{64}$/), address: value, mac: fc.nat() }),
      {
        selector: ({ id }) => id,
        maxLength: 5,
      },
    ),
    held: fc.uniqueArray(fc.tuple(value, fc.nat()), { selector: ([address]) => address, maxLength: 5 }),
    released: fc.array(value, { maxLength: 5 }),
  })
  .map(({ grants, endpoints, held, released }): PluginState => {
    const toEndpoint = ({ id, address, mac }: (typeof endpoints)[number]): [string, Endpoint] => [
      id,
      { id, networkId: NETWORK_ID, address: new Ipv4Address(address), mac: new MacAddress(mac) },
    ];
    const { subnet, gateway } = LEASE;
    return {
      ...WITH_NETWORK,
      grants,
      endpoints: new Map(endpoints.map(toEndpoint)),
      pools: new Map([[poolIdOf(subnet), { subnet, gateway, held: new Map(held), released }]]),
    };
  });

describe("decodeState", () => {
  it("reads what encodeState has written", () => {
    fc.assert(
      fc.property(states, (state) => {
        expect(decodeState(encodeState(state))).toEqual(state);
      }),
    );
  });

  it("reads no state of which any member is missing, of another type, or there twice", () => {
    const spoil = (path: readonly (string | number)[], wrong: unknown): string => {
      const stored = JSON.parse(encodeState(FULL)) as Record<string, unknown>;
      const parent = path
        .slice(0, -1)
        .reduce<Record<string, unknown>>((at, key) => at[key] as Record<string, unknown>, stored);
      parent[path.at(-1) ?? ""] = wrong;
      return JSON.stringify(stored);
    };
    const paths = pathsOf(JSON.parse(encodeState(FULL)));
    expect(paths.length).toBeGreaterThan(25);
    for (const path of paths)
      for (const wrong of [undefined, null, -1.5, {}, "a b", ["10.244.7.1", 5]])
        expect(() => decodeState(spoil(path, wrong)), `${path.join(".")} = ${JSON.stringify(wrong)}`).toThrow(
          TypeError,
        );
    const [one] = (JSON.parse(encodeState(FULL)) as { networks: unknown[] }).networks;
    expect(() => decodeState(spoil(["networks"], [one, one]))).toThrow("two of networks are the same");
    expect(() => decodeState(spoil(["endpoints", 0, "networkId"], "nowhere"))).toThrow(
      "the network of endpoint",
    );
    expect(() => decodeState(spoil(["format"], 2))).toThrow("format is 2");
  });
});

const FULL: PluginState = {
  ...WITH_NETWORK,
  endpoints: new Map([
    ["e1", { id: "e1", networkId: NETWORK_ID, address: LEASE.gateway.plus(1), mac: new MacAddress(5) }],
  ]),
  pools: new Map([
    [
      poolIdOf(LEASE.subnet),
      { subnet: LEASE.subnet, gateway: LEASE.gateway, held: new Map([[7, 1]]), released: [8] },
    ],
  ]),
};

/** Paths of every member, lists of lists and objects included. */
function pathsOf(json: unknown): (string | number)[][] {
  if (typeof json !== "object" || json === null) return [];
  const keys = Array.isArray(json) ? [...json.keys()] : Object.keys(json);
  return keys.flatMap((key) => {
    const deeper = pathsOf((json as Record<string | number, unknown>)[key]).map((path) => [key, ...path]);
    return [[key], ...deeper];
  });
}

describe("StateStore", () => {
  it("writes an empty state for root alone at the first start, and has each saved one at the next", async () => {
    const stateDir = join(directory, "deep/state");
    const store = await StateStore.open(stateDir);
    expect(store.state).toEqual(emptyState(store.state.instanceId));
    expect(store.state.instanceId).toMatch(/^[0-9a-f]{8}\.[0-9a-f]{12}$/);
    expect(statSync(join(stateDir, "state.json")).mode & 0o777).toBe(0o600);
    expect(statSync(stateDir).mode & 0o777).toBe(0o700);
    await store.save(WITH_NETWORK);
    expect((await StateStore.open(stateDir)).state).toEqual(WITH_NETWORK);
    expect(await readState(stateDir)).toEqual(WITH_NETWORK);
  });

  it("keeps the id that a state began with, of the first form too", async () => {
    const store = await StateStore.open(directory);
    await store.save({ ...WITH_NETWORK, instanceId: "0badcafe" });
    expect((await StateStore.open(directory)).state.instanceId).toBe("0badcafe");
  });

  it("writes nothing for the state that it has, and keeps the old one when it cannot write", async () => {
    const store = await StateStore.open(directory);
    const path = join(directory, "state.json");
    rmSync(path);
    await store.save(store.state);
    expect(existsSync(path)).toBe(false);
    mkdirSync(path); // nothing can be renamed onto it
    await expect(store.save(WITH_NETWORK)).rejects.toThrow(`Cannot write ${path}`);
    expect(store.state.networks.size).toBe(0);
  });

  it("refuses a state that it cannot read, which is not the same as none, and leaves it", async () => {
    const path = join(directory, "state.json");
    const cut = encodeState(WITH_NETWORK).slice(0, 100);
    writeFileSync(path, cut);
    await expect(StateStore.open(directory)).rejects.toThrow(
      `Cannot read ${path}: it is not JSON; remove the containers and networks of twill from Docker, then this file`,
    );
    expect(readFileSync(path, "utf8")).toBe(cut);
    rmSync(path);
    expect(await readState(directory)).toBeNull();
    expect(existsSync(path)).toBe(false);
  });
});

describe("readHostLease", () => {
  const FILE =
    "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1472\nFLANNEL_IPMASQ=false\n";

  it("gives the lease, or the sentence about what is missing", async () => {
    const path = join(directory, "subnet.env");
    expect((await readHostLease(path)).problem?.message).toBe(
      `Cannot use this host's subnet: there is no ${path} yet; start twill agent and wait for its lease`,
    );
    writeFileSync(path, FILE);
    expect(await readHostLease(path)).toEqual({ lease: LEASE, problem: null });
    writeFileSync(path, FILE.replace("1472", "much"));
    expect((await readHostLease(path)).problem?.message).toContain("FLANNEL_MTU, or one is unusable");
    chmodSync(path, 0o600);
  });
});

describe("withLease", () => {
  it("gives networks on the lease its newest MTU, and leaves the state when there is nothing new", () => {
    const newer = { ...LEASE, overlayMtu: 1400 };
    const state = withLease(WITH_NETWORK, { lease: newer, problem: null });
    expect(state.networks.get(NETWORK_ID)).toEqual({ ...NETWORK, lease: newer });
    expect(withLease(state, { lease: newer, problem: null })).toBe(state);
    expect(withLease(state, { lease: null, problem: null })).toBe(state);
    expect(withLease(EMPTY, { lease: newer, problem: null })).toBe(EMPTY);
  });
});
