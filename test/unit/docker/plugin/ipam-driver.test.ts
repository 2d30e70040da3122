import { describe, expect, it } from "vitest";
import {
  releaseAddressRequest,
  requestAddress,
  requestPool,
} from "../../../../src/docker/plugin/ipam-driver.ts";
import { parseAddress, parseRequestPool } from "../../../../src/docker/plugin/protocol/ipam-requests.ts";
import type { Circumstances, Outcome } from "../../../../src/docker/plugin/refusals.ts";
import type { PluginState } from "../../../../src/docker/plugin/state/plugin-state.ts";
import { addressOf, prefixOf } from "../../../support/ipv4.ts";
import {
  EMPTY,
  ENDPOINT_ID,
  LEASE,
  MOVED_LEASE,
  NETWORK,
  NETWORK_ID,
  WITH_NETWORK,
  at,
  fields,
  sentenceOf,
} from "./samples.ts";

const POOL_ID = "twill/10.244.7.0/24";
const GATEWAY = { RequestAddressType: "com.docker.network.gateway" };

function pool(circumstances: Circumstances, body: object): Outcome {
  return requestPool(circumstances, parseRequestPool(fields("IpamDriver.RequestPool", body)));
}

function address(circumstances: Circumstances, body: object): Outcome {
  const request = parseAddress(fields("IpamDriver.RequestAddress", { PoolID: POOL_ID, ...body }));
  return requestAddress(circumstances, request);
}

function release(state: PluginState, text: string): PluginState {
  const request = parseAddress(fields("IpamDriver.ReleaseAddress", { PoolID: POOL_ID, Address: text }));
  return releaseAddressRequest(at(state), request).state;
}

/** After the pool was asked for. */
const WITH_POOL = pool(at(EMPTY), { Pool: "" }).state;

describe("requestPool", () => {
  it("gives the host's lease, also where it is named", () => {
    const answer = { PoolID: POOL_ID, Pool: "10.244.7.0/24", Data: {} };
    expect(
      pool(at(EMPTY), { AddressSpace: "twill-local", Pool: "", Options: null, V6: false }).answer,
    ).toEqual(answer);
    expect(pool(at(EMPTY), { Pool: "10.244.7.0/24" }).answer).toEqual(answer);
    const again = pool(at(WITH_POOL), {});
    expect(again.answer).toEqual(answer);
    expect(again.state).toBe(WITH_POOL);
  });

  it("gives a network's pool again without a lease, as dockerd asks before the agent runs", () => {
    expect(pool(at(WITH_NETWORK, null), { Pool: "10.244.7.0/24" }).answer.Pool).toBe("10.244.7.0/24");
  });

  const SHORT = "a1a1a1a1a1a1";
  const REFUSALS: [what: string, circumstances: Circumstances, body: object, sentence: string][] = [
    ["no lease", at(EMPTY, null), {}, "no lease yet"],
    [
      "another subnet",
      at(EMPTY),
      { Pool: "10.99.0.0/16" },
      "Cannot use pool 10.99.0.0/16: this host's lease is 10.244.7.0/24; use: docker network create -d twill --ipam-driver twill NAME",
    ],
    [
      "a second network",
      at(WITH_NETWORK),
      {},
      `Cannot make the network: network ${SHORT} has this host's lease 10.244.7.0/24 already; use that one, or remove it first: docker network rm ${SHORT} (where Docker does not know it: twill docker-plugin --forget ${SHORT})`,
    ],
    [
      "IPv6",
      at(EMPTY),
      { V6: true },
      "Cannot give an IPv6 pool: twill carries IPv4 between containers, leave --ipv6 out",
    ],
    [
      "--ip-range",
      at(EMPTY),
      { SubPool: "10.244.7.128/25" },
      "Cannot give a part of the lease: twill gives addresses from all of it, leave --ip-range out",
    ],
    [
      "--ipam-opt",
      at(EMPTY),
      { Options: { color: "blue" } },
      'Cannot use --ipam-opt "color": twill has no IPAM options, leave it out',
    ],
    [
      "no subnet at all",
      at(EMPTY),
      { Pool: "010.1.0.0/16" },
      'Cannot read the request IpamDriver.RequestPool: Pool is "010.1.0.0/16", not an IPv4 subnet',
    ],
  ];
  it.each(REFUSALS)("refuses %s in one sentence", (_, circumstances, body, sentence) => {
    expect(sentenceOf(() => pool(circumstances, body))).toBe(sentence);
  });
});

describe("a pool", () => {
  it("is forgotten with its addresses when the host has another lease and no network is on it", () => {
    const moved = pool(at(WITH_POOL, MOVED_LEASE), {}).state;
    expect([...moved.pools.keys()]).toEqual(["twill/10.244.9.0/24"]);
    const kept = pool(at({ ...WITH_POOL, networks: WITH_NETWORK.networks }, MOVED_LEASE), {}).state;
    expect([...kept.pools.keys()]).toEqual([POOL_ID, "twill/10.244.9.0/24"]);
  });
});

describe("requestAddress", () => {
  it("gives the gateway to whoever asks for it, and never to a container", () => {
    const asked = address(at(WITH_POOL), { Options: GATEWAY });
    expect(asked).toEqual({ state: WITH_POOL, answer: { Address: "10.244.7.1/24", Data: {} } });
    expect(address(at(WITH_POOL), { Address: "10.244.7.1", Options: GATEWAY }).answer.Address).toBe(
      "10.244.7.1/24",
    );
    expect(release(WITH_POOL, "10.244.7.1")).toBe(WITH_POOL);
    expect(address(at(WITH_POOL), {}).answer.Address).toBe("10.244.7.2/24");
  });

  it("gives each address once, and what was released after all that never were, the oldest release first", () => {
    const small = { ...LEASE, subnet: prefixOf("10.244.7.0/29") }; // .2 to .6
    const poolId = "twill/10.244.7.0/29";
    let { state } = pool(at(EMPTY, small), {});
    const next = (Address = ""): string => {
      const outcome = address(at(state, small), { PoolID: poolId, Address });
      state = outcome.state;
      return String(outcome.answer.Address).replace("/29", "");
    };
    const free = (text: string): void => {
      const request = parseAddress(fields("IpamDriver.ReleaseAddress", { PoolID: poolId, Address: text }));
      state = releaseAddressRequest(at(state, small), request).state;
    };
    expect([next(), next(), next("10.244.7.6")]).toEqual(["10.244.7.2", "10.244.7.3", "10.244.7.6"]);
    free("10.244.7.3");
    free("10.244.7.2");
    expect([next(), next(), next(), next()]).toEqual([
      "10.244.7.4",
      "10.244.7.5",
      "10.244.7.3",
      "10.244.7.2",
    ]);
    expect(sentenceOf(() => next())).toBe(
      "Cannot give an address: all 5 of 10.244.7.0/29 are taken; remove containers, or give hosts larger subnets (SubnetLen of the network config)",
    );
    free("10.244.7.99"); // was never given
    free("10.244.7.5");
    free("10.244.7.5");
    expect(next()).toBe("10.244.7.5");
    expect(sentenceOf(() => next())).toContain("all 5");
  });

  it("does not give an address that a container has, whoever gave it", () => {
    const endpoint = {
      id: ENDPOINT_ID,
      networkId: NETWORK_ID,
      address: addressOf("10.244.7.2"),
      mac: null as never,
    };
    const state = { ...WITH_POOL, endpoints: new Map([[ENDPOINT_ID, endpoint]]) };
    expect(address(at(state), {}).answer.Address).toBe("10.244.7.3/24");
    expect(sentenceOf(() => address(at(state), { Address: "10.244.7.2" }))).toBe(
      "Cannot give 10.244.7.2: it is that of endpoint c3c3c3c3c3c3 (docker network inspect names its container); choose another one, or leave --ip out",
    );
  });

  const IN_USE = address(at(WITH_POOL), { Address: "10.244.7.77" }).state;
  const RANGE =
    "containers here have addresses of 10.244.7.0/24 but its first, its last and the gateway 10.244.7.1; choose one of these, or leave --ip out";
  const REFUSALS: [what: string, circumstances: Circumstances, body: object, sentence: string][] = [
    [
      "one that is given, to whom nobody knows",
      at(IN_USE),
      { Address: "10.244.7.77" },
      "Cannot give 10.244.7.77: it is held by a container that is starting, a --aux-address, or a start that was cut short (then it is free within 10 minutes, while Docker's API answers); wait, choose another one, or leave --ip out",
    ],
    ["the gateway's", at(WITH_POOL), { Address: "10.244.7.1" }, `Cannot give 10.244.7.1: ${RANGE}`],
    ["the subnet's", at(WITH_POOL), { Address: "10.244.7.0" }, `Cannot give 10.244.7.0: ${RANGE}`],
    ["the broadcast", at(WITH_POOL), { Address: "10.244.7.255" }, `Cannot give 10.244.7.255: ${RANGE}`],
    ["one of another host", at(WITH_POOL), { Address: "10.244.8.7" }, `Cannot give 10.244.8.7: ${RANGE}`],
    [
      "another gateway",
      at(WITH_POOL),
      { Address: "10.244.7.254", Options: GATEWAY },
      "Cannot use gateway 10.244.7.254: that of lease 10.244.7.0/24 is 10.244.7.1, leave --gateway out",
    ],
    [
      "an unknown pool",
      at(EMPTY),
      {},
      'Cannot give an address: pool "twill/10.244.7.0/24" is unknown; remove its network and make it again: docker network create -d twill --ipam-driver twill NAME',
    ],
    [
      "text",
      at(WITH_POOL),
      { Address: "10.244.7.x\n" },
      'Cannot read the request IpamDriver.RequestAddress: Address is "10.244.7.x\\u000a", not an IPv4 address',
    ],
  ];
  it.each(REFUSALS)("refuses %s in one sentence", (_, circumstances, body, sentence) => {
    expect(sentenceOf(() => address(circumstances, body))).toBe(sentence);
  });

  it("refuses every container's address of a lease that has moved, and gives what Docker asks for at its start", () => {
    const moved = at({ ...WITH_POOL, networks: new Map([[NETWORK_ID, NETWORK]]) }, MOVED_LEASE);
    expect(sentenceOf(() => address(moved, {}))).toBe(
      "Cannot use network a1a1a1a1a1a1: its subnet 10.244.7.0/24 is no more this host's, whose lease is 10.244.9.0/24 now; remove its containers or disconnect them (docker network inspect a1a1a1a1a1a1 names those that run), then make it again: docker network rm a1a1a1a1a1a1 && docker network create -d twill --ipam-driver twill NAME",
    );
    expect(pool(moved, { Pool: "10.244.7.0/24" }).answer.PoolID).toBe(POOL_ID);
    expect(address(moved, { Options: GATEWAY }).answer.Address).toBe("10.244.7.1/24");
  });
});
