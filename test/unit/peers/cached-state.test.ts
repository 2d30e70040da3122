import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatCachedState, parseCachedState } from "../../../src/peers/cached-state.ts";
import type { CachedState } from "../../../src/peers/cached-state.ts";
import { MAX_PEERS } from "../../../src/peers/peer-set.ts";
import { prefixOf } from "../../support/ipv4.ts";
import { peer, peers } from "./leases.ts";

/** Any UTF-16 unit, also half a surrogate pair. */
const anyUnit = fc.nat(0xffff).map((code) => String.fromCharCode(code));

const STATE: CachedState = {
  etcdPrefix: "/coreos.com/network",
  network: prefixOf("10.244.0.0/16"),
  networkConfig: '{"Network":"10.244.0.0/16"}',
  ownLease: {
    subnet: prefixOf("10.244.0.0/24"),
    etcdLeaseId: 7587873418329723152n,
    expiresAtWallMs: Date.UTC(2026, 0, 2),
  },
  registry: { clusterId: 18446744073709551615n, revision: 9007199254740993n },
  peers: [
    peer("10.244.1.0/24", "192.0.2.11"),
    peer("10.244.2.0/24", "192.0.2.12", {
      nodeId: "node-b",
      type: "vxlan",
      data: { VNI: 1, VtepMAC: "02:aa:bb:cc:dd:ee" },
    }),
  ],
};

/** The text of {@link STATE} with another value at `path`, as `peers.0.subnet`; undefined removes the member. */
function changed(path: string, value: unknown): string {
  const json = JSON.parse(formatCachedState(STATE)) as object;
  const names = path.split(".");
  const last = names.pop() ?? "";
  const holder = names.reduce<object>((object, name) => Reflect.get(object, name) as object, json);
  Reflect.set(holder, last, value);
  return JSON.stringify(json);
}

describe("formatCachedState", () => {
  it("writes one line that parseCachedState reads back", () => {
    const text = formatCachedState(STATE);
    expect(text.indexOf("\n")).toBe(text.length - 1);
    expect(parseCachedState(text)).toEqual({ ok: true, state: STATE });
  });

  it("writes 64-bit numbers as text, so that no reader rounds them", () => {
    expect(JSON.parse(formatCachedState(STATE))).toMatchObject({
      ownLease: { etcdLeaseId: "7587873418329723152" },
      registry: { clusterId: "18446744073709551615", revision: "9007199254740993" },
    });
  });

  it.each([
    ["no lease", { ownLease: null }],
    ["no registry", { registry: null }],
    ["no peers", { peers: [] }],
    [
      "a reservation",
      { ownLease: { subnet: prefixOf("10.244.0.0/24"), etcdLeaseId: 0n, expiresAtWallMs: null } },
    ],
    [
      "data of both families",
      { peers: [{ ...peer("10.244.1.0/24", "192.0.2.1"), backend: { type: "x", v6Data: null, data: [1] } }] },
    ],
  ])("writes a state with %s", (_what, part) => {
    const state = { ...STATE, ...part };
    expect(parseCachedState(formatCachedState(state))).toEqual({ ok: true, state });
  });

  it("writes any text and data so that they are read back", () => {
    const text = fc.string({ unit: "grapheme" });
    fc.assert(
      fc.property(text, text, text, fc.jsonValue(), (etcdPrefix, networkConfig, nodeId, data) => {
        const backend = { type: "x", data: JSON.parse(JSON.stringify(data)) as null }; // without -0
        const state = {
          ...STATE,
          etcdPrefix,
          networkConfig,
          peers: [{ ...peer("10.244.1.0/24", "192.0.2.1"), nodeId, backend }],
        };
        expect(parseCachedState(formatCachedState(state))).toEqual({ ok: true, state });
      }),
    );
  });
});

describe("parseCachedState", () => {
  const BAD: [what: string, text: string, reason: string | RegExp][] = [
    ["no JSON", "FLANNEL_NETWORK=\n", String.raw`it is not JSON: "FLANNEL_NETWORK=\u000a"`],
    ["nothing", "", 'it is not JSON: ""'],
    ["half a file", formatCachedState(STATE).slice(0, 200), /^it is not JSON/],
    ["zeros, as a crash leaves them", "\0".repeat(100), /^it is not JSON: "(\\u0000){80}\.\.\."$/],
    ["null", "null", "it is not a JSON object: null"],
    ["an array", "[]", "it is not a JSON object: []"],
    ["no version", "{}", "its version is (absent), not 1"],
    ["another version", changed("version", 2), "its version is 2, not 1"],
    ["a network with host bits", changed("network", "10.244.0.1/16"), /^network .* is not an IPv4 prefix$/],
    ["no etcd prefix", changed("etcdPrefix", undefined), "etcdPrefix (absent) is not text"],
    ["a config that is no text", changed("networkConfig", {}), "networkConfig {} is not text"],
    ["no own lease", changed("ownLease", undefined), "ownLease is not a JSON object: (absent)"],
    [
      "a lease elsewhere",
      changed("ownLease.subnet", "192.0.2.0/24"),
      /192.0.2.0\/24 is outside 10.244.0.0\/16$/,
    ],
    [
      "a lease id as number",
      changed("ownLease.etcdLeaseId", 5),
      /^ownLease.etcdLeaseId 5 is not decimal text/,
    ],
    [
      "a lease id past 63 bits",
      changed("ownLease.etcdLeaseId", "9223372036854775808"),
      /^ownLease.etcdLeaseId/,
    ],
    ["a negative lease id", changed("ownLease.etcdLeaseId", "-1"), /^ownLease.etcdLeaseId/],
    ["a lease id with a leading zero", changed("ownLease.etcdLeaseId", "01"), /^ownLease.etcdLeaseId/],
    [
      "a time before 1970",
      changed("ownLease.expiresAtWallMs", -1),
      "ownLease.expiresAtWallMs -1 is not a time",
    ],
    ["half a millisecond", changed("ownLease.expiresAtWallMs", 0.5), /^ownLease.expiresAtWallMs 0.5/],
    [
      "a cluster id past 64 bits",
      changed("registry.clusterId", "18446744073709551616"),
      /^registry.clusterId/,
    ],
    ["a revision past 63 bits", changed("registry.revision", "9223372036854775808"), /^registry.revision/],
    ["peers by name", changed("peers", {}), "peers {} is not an array"],
    ["a peer that is none", changed("peers.0", null), "a peer is not a JSON object: null"],
    ["a subnet with a blank", changed("peers.0.subnet", "10.244.1.0/24 "), /^a peer's subnet/],
    [
      "an IPv6 underlay",
      changed("peers.0.underlayIp", "2001:db8::1"),
      /^a peer's underlayIp .* is not an IPv4 address$/,
    ],
    ["no underlay", changed("peers.0.underlayIp", undefined), /^a peer's underlayIp \(absent\)/],
    ["a node id that is no text", changed("peers.0.nodeId", 7), `a peer's nodeId 7 is not text`],
    ["no backend", changed("peers.0.backend", undefined), /^a peer's backend is not a JSON object/],
    ["a backend type that is no text", changed("peers.0.backend.type", null), /^a peer's backend type null/],
    [
      "two peers on one subnet",
      changed("peers.1.subnet", "10.244.1.0/24"),
      /^peer 10.244.1.0\/24 is out of order/,
    ],
    [
      "two peers at one address",
      changed("peers.1.underlayIp", "192.0.2.11"),
      /^peer 10.244.2.0\/24 is out of order/,
    ],
    [
      "too many peers",
      changed("peers", Array(MAX_PEERS + 1).fill(null)),
      "it has 5001 peers, more than 5000",
    ],
  ];
  it.each(BAD)("refuses %s", (_what, text, reason) => {
    const parsed = parseCachedState(text);
    expect(parsed.ok).toBe(false);
    if (!parsed.ok) expect(parsed.reason).toMatch(reason);
    if (!parsed.ok && typeof reason === "string") expect(parsed.reason).toBe(reason);
  });

  it("ignores members it does not know, so that a newer writer of this version may add some", () => {
    expect(parseCachedState(changed("added", 1))).toEqual({ ok: true, state: STATE });
  });

  it("takes names like __proto__ for names", () => {
    const text = formatCachedState(STATE).replace('"version":1', '"__proto__":{"version":1}');
    expect(parseCachedState(text)).toMatchObject({ ok: false, reason: "its version is (absent), not 1" });
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it("never throws, and believes nothing but what it would write", () => {
    const good = formatCachedState(STATE);
    const mangled = fc
      .tuple(fc.nat(good.length), fc.nat(8), fc.string({ maxLength: 8 }))
      .map(([at, cut, insert]) => good.slice(0, at) + insert + good.slice(at + cut));
    const anyJson = fc.json();
    fc.assert(
      fc.property(fc.oneof(mangled, anyJson, fc.string({ unit: anyUnit })), (text) => {
        const parsed = parseCachedState(text);
        if (!parsed.ok) return;
        expect(parseCachedState(formatCachedState(parsed.state))).toEqual(parsed);
      }),
      { numRuns: 500 },
    );
  });

  it("reads 5,000 peers", () => {
    const many = Array.from({ length: MAX_PEERS }, (_, i) =>
      peer(`10.${100 + (i >> 8)}.${i & 255}.0/24`, `198.51.${i >> 8}.${i & 255}`),
    );
    const parsed = parseCachedState(formatCachedState({ ...STATE, peers: many }));
    expect(parsed.ok && parsed.state.peers.length).toBe(MAX_PEERS);
  });

  it("needs no more than the peers that are saved", () => {
    expect(parseCachedState(formatCachedState({ ...STATE, peers: peers(3) }))).toMatchObject({
      state: { peers: peers(3) },
    });
  });
});
