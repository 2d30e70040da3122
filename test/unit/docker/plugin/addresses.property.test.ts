/** Random sequences of what Docker asks, with crashes before and after each write: nothing is given twice, nothing is lost for ever. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findLost, inBoth, withoutLost } from "../../../../src/docker/plugin/engine/lost-items.ts";
import type { LostItems } from "../../../../src/docker/plugin/engine/lost-items.ts";
import {
  releaseAddressRequest,
  requestAddress,
  requestPool,
} from "../../../../src/docker/plugin/ipam-driver.ts";
import { createEndpoint, deleteEndpoint } from "../../../../src/docker/plugin/network-driver.ts";
import type { Outcome } from "../../../../src/docker/plugin/refusals.ts";
import type { HostLease, PluginState } from "../../../../src/docker/plugin/state/plugin-state.ts";
import { poolIdOf } from "../../../../src/docker/plugin/state/plugin-state.ts";
import { decodeState, encodeState } from "../../../../src/docker/plugin/state/stored-state.ts";
import { OverlayError } from "../../../../src/net/overlay-error.ts";
import { addressOf, prefixOf } from "../../../support/ipv4.ts";
import { EMPTY, LEASE, NETWORK, NETWORK_ID, at } from "./samples.ts";

/** 5 addresses for containers: soon all are taken. */
const SMALL: HostLease = { ...LEASE, subnet: prefixOf("10.244.7.0/29") };
const POOL_ID = poolIdOf(SMALL.subnet);
const USABLE = Array.from({ length: 5 }, (_, i) => `10.244.7.${i + 2}`);

/** When the plugin is killed: not at all, before its write, or between the write and the answer. */
type Crash = "none" | "before write" | "after write";

const step = fc.record({
  kind: fc.constantFrom("request", "request", "request one", "connect", "disconnect", "release", "search"),
  which: fc.nat(20),
  crash: fc.constantFrom<Crash>("none", "none", "none", "before write", "after write"),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** What Docker believes, next to the plugin's state as it is on disk. */
class World {
  disk: PluginState;
  /** Addresses that Docker was told and has not given back, with the id of the endpoint that has it, or null. */
  readonly docker = new Map<string, string | null>();
  /** The stupid twin: what is free, in the order in which it must be given. */
  free = [...USABLE];
  #endpoints = 0;

  constructor() {
    const { state } = requestPool(at(EMPTY, SMALL), { pool: null });
    this.disk = { ...state, networks: new Map([[NETWORK_ID, { ...NETWORK, lease: SMALL }]]) };
  }

  run({ kind, which, crash }: Step): void {
    const [address = null] = pick([...this.docker.keys()], which);
    if (kind === "request") this.#request(null, crash);
    if (kind === "request one") this.#request(USABLE[which % USABLE.length] ?? null, crash);
    if (kind === "search") this.search();
    if (address === null) return;
    if (kind === "connect") this.#connect(address, crash);
    if (kind === "disconnect") this.#disconnect(address, crash);
    if (kind === "release" && this.docker.get(address) === null) this.release(address, crash);
  }

  #request(wanted: string | null, crash: Crash): void {
    const address = wanted === null ? null : addressOf(wanted);
    const request = { poolId: POOL_ID, address, isGateway: false };
    const hasEndpoint = new Set([...this.disk.endpoints.values()].map((one) => one.address.toString()));
    const free = this.free.filter((one) => !hasEndpoint.has(one));
    const expected = wanted === null ? free[0] : free.find((one) => one === wanted);
    let outcome: Outcome;
    try {
      outcome = requestAddress(at(this.disk, SMALL), request);
    } catch (err) {
      if (!(err instanceof OverlayError)) throw err;
      expect(expected).toBeUndefined();
      return;
    }
    if (!this.#write(outcome.state, crash)) return;
    const given = String(outcome.answer.Address).split("/")[0] ?? "";
    expect(given).toBe(expected);
    expect(this.docker.has(given)).toBe(false);
    this.free = this.free.filter((one) => one !== given); // without an answer it is lost, and is not given again
    if (crash === "none") this.docker.set(given, null);
  }

  #connect(address: string, crash: Crash): void {
    if (this.docker.get(address) !== null) return;
    const endpointId = `endpoint${String(++this.#endpoints).padStart(8, "0")}`;
    const request = {
      networkId: NETWORK_ID,
      endpointId,
      address: addressOf(address),
      mac: null,
      publishesPorts: false,
    };
    const isWritten = this.#write(createEndpoint(at(this.disk, SMALL), request).state, crash);
    if (isWritten && crash === "none") this.docker.set(address, endpointId);
    else this.#write(deleteEndpoint(this.disk, { networkId: NETWORK_ID, endpointId }), "none"); // Docker rolls back
  }

  #disconnect(address: string, crash: Crash): void {
    const endpointId = this.docker.get(address) ?? null;
    if (endpointId === null) return;
    // Docker forgets the endpoint also when nobody answers.
    this.#write(deleteEndpoint(this.disk, { networkId: NETWORK_ID, endpointId }), crash);
    this.docker.set(address, null);
    this.release(address); // the plugin is up again
  }

  release(address: string, crash: Crash = "none"): void {
    const request = { poolId: POOL_ID, address: addressOf(address), isGateway: false };
    const isWritten = this.#write(releaseAddressRequest(at(this.disk, SMALL), request).state, crash);
    this.docker.delete(address);
    if (isWritten) this.free.push(address);
  }

  /** Two looks of the search for what was lost, nothing in between. */
  search(): void {
    const engine = {
      endpointIds: new Set([...this.docker.values()].filter((id) => id !== null)),
      addresses: new Set([...this.docker.keys()].map((text) => addressOf(text).value)),
    };
    const look = (): LostItems => findLost(this.disk, { ...NETWORK, lease: SMALL }, engine);
    const lost = inBoth(look(), look());
    this.#write(withoutLost(this.disk, lost), "none");
    this.free.push(
      ...lost.addresses.map(({ value }) => USABLE.find((one) => addressOf(one).value === value) ?? ""),
    );
  }

  /** False: the process was gone before. */
  #write(state: PluginState, crash: Crash): boolean {
    if (crash === "before write") return false;
    this.disk = decodeState(encodeState(state)); // each request meets what a restart would read
    return true;
  }
}

function pick<T>(values: readonly T[], which: number): T[] {
  return values.length === 0 ? [] : values.slice(which % values.length).slice(0, 1);
}

describe("addresses over crashes and restarts", () => {
  it("are never given twice, never outside, in order of their release, and all come back in the end", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100, size: "max" }), (steps) => {
        const world = new World();
        for (const one of steps) world.run(one);
        const held = world.disk.pools.get(POOL_ID)?.held ?? new Map<number, number>();
        for (const address of world.docker.keys()) expect(held.has(addressOf(address).value)).toBe(true);
        for (const [address, endpointId] of [...world.docker]) {
          const ids = { networkId: NETWORK_ID, endpointId: endpointId ?? "" };
          world.disk = deleteEndpoint(world.disk, ids);
          world.release(address);
        }
        world.search();
        expect(world.disk.pools.get(POOL_ID)?.held.size).toBe(0);
        expect(world.disk.endpoints.size).toBe(0);
      }),
      { numRuns: 500 },
    );
  });
});
