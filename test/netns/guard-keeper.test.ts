import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { GuardKeeper } from "../../src/kernel/firewall/guard-keeper.ts";
import { findGuardTables, removeGuardTable } from "../../src/kernel/firewall/guard-remains.ts";
import type { GuardedPeer } from "../../src/kernel/firewall/guard-rules.ts";
import type { NftCommand } from "../../src/kernel/firewall/nft-command.ts";
import { Ipv4Address, Ipv4Prefix } from "../../src/net/ipv4.ts";
import { ping } from "../support/backend-hosts.ts";
import type { BackendHost } from "../support/backend-hosts.ts";
import { GuardBench } from "../support/guard-bench.ts";
import {
  DEVICE,
  MASQUERADE,
  NO_ABORT,
  expectDrops,
  guarded,
  keeperOf,
  podIp,
  rulesOf,
  sendDatagrams,
} from "../support/guarded-hosts.ts";
import { addressOf, prefixOf } from "../support/ipv4.ts";

let bench: GuardBench;
let own: BackendHost, peer: BackendHost, stranger: BackendHost;
let nft: NftCommand;
let guard: GuardKeeper;

beforeEach(async () => {
  bench = await GuardBench.create();
  ({ own, peer, stranger, nft, guard } = bench);
});
afterEach(() => bench[Symbol.asyncDispose]());

const ruleset = async (): Promise<string> => await nft.read(["list", "ruleset"], NO_ABORT);

describe("createGuardKeeper", () => {
  const TABLE = "ip twill-10.244.0.0-16";
  const standing = async (): Promise<string | null> =>
    await nft.listTable("ip", "twill-10.244.0.0-16", NO_ABORT);
  const standingAtEgress = async (): Promise<string | null> =>
    await nft.listTable("netdev", "twill-10.244.0.0-16", NO_ABORT);
  /** Underlay address and subnet; adjacent ones must not become one in the kernel. */
  const peerOf = (number: number, subnet = `10.244.${number}.0/24`): GuardedPeer => ({
    subnet: prefixOf(subnet),
    underlayIp: addressOf(`192.0.2.${number}`),
    isDirect: number % 2 === 0,
  });
  const peers = [2, 3, 4, 5].map((number) => peerOf(number));

  it.each([
    ["a lease holder removed", `delete element ${TABLE} nodes { 192.0.2.3 }`],
    ["a stranger added", `add element ${TABLE} nodes { 192.0.2.66 }`],
    ["a subnet removed between two others", `delete element ${TABLE} subnets { 10.244.3.0/24 }`],
    ["a range added", `add element ${TABLE} subnets { 10.244.60.1-10.244.60.7 }`],
    ["all elements removed", `flush set ${TABLE} nodes`],
    ["a chain flushed", `flush chain ${TABLE} input`],
    ["a rule added", `insert rule ${TABLE} encapsulated accept`],
    ["a rule replaced", `flush chain ${TABLE} input\nadd rule ${TABLE} input udp dport 1 goto encapsulated`],
    ["a policy changed", `add chain ${TABLE} input { policy drop; }`],
    ["a chain added", `add chain ${TABLE} other`],
    ["the table deleted", `delete table ${TABLE}`],
    ["everything flushed", "flush ruleset"],
  ])("heals with one write: %s", async (_what, damage) => {
    await bench.guardOwn({ peers });
    const whole = await standing();
    expect(await guard.audit(NO_ABORT)).toBe(0);
    await nft.apply(damage, NO_ABORT);
    expect(await standing()).not.toBe(whole);

    expect(await guard.audit(NO_ABORT)).toBe(1);
    expect(await standing()).toBe(whole);
    expect(await guard.audit(NO_ABORT)).toBe(0);
  });

  it("has nothing to heal where somebody put a rule in the place of its like", async () => {
    await bench.guardOwn({ peers });
    const whole = await standing();
    const again = `flush chain ${TABLE} input\nadd rule ${TABLE} input udp dport 8472 goto encapsulated`;
    await nft.apply(again, NO_ABORT);
    expect(await standing()).toBe(whole);
    expect(await guard.audit(NO_ABORT)).toBe(0);
  });

  it("changes peers in place, and writes nothing when they are the same", async () => {
    expect(await bench.guardOwn({ peers })).toBe(1);
    await ping(own.pod, podIp(stranger), { count: 10, isAnswered: false });
    await expectDrops(guard, { guardDropLeak: 10 });

    const others = [peers[0], peers[2], peerOf(6), peerOf(7, "10.244.3.0/25"), peerOf(8, "10.244.3.128/32")];
    const wanted = others.filter((one) => one !== undefined);
    expect(await bench.guardOwn({ peers: wanted })).toBe(1);
    expect(await bench.guardOwn({ peers: wanted })).toBe(0);
    expect(await guard.audit(NO_ABORT)).toBe(0);
    await expectDrops(guard, { guardDropLeak: 10 }); // a new table would count from 0

    const changed = await standing();
    expect(await keeperOf(nft).sync(rulesOf(own, wanted), NO_ABORT)).toBe(1);
    expect(await standing()).toBe(changed);
  });

  it("replaces the table when the change of peers meets what others did, or more than peers changes", async () => {
    await bench.guardOwn({ peers });
    await nft.apply(`delete element ${TABLE} nodes { 192.0.2.3 }`, NO_ABORT);
    expect(await bench.guardOwn({ peers: peers.slice(2) })).toBe(1);
    expect(await guard.audit(NO_ABORT)).toBe(0);
    await nft.apply("flush ruleset", NO_ABORT);
    expect(await bench.guardOwn({ peers })).toBe(1);
    expect(await guard.audit(NO_ABORT)).toBe(0);

    expect(
      await bench.guardOwn({
        peers,
        tunnel: { port: 8473, deviceName: DEVICE, isInKernel: true, isDirectRouting: false },
      }),
    ).toBe(1);
    expect(await standing()).toContain("udp dport 8473");
    expect(await guard.audit(NO_ABORT)).toBe(0);
    expect(await bench.guardOwn({ peers, tunnel: null })).toBe(1);
    expect(await standing()).toBeNull();
    expect(await standingAtEgress()).toContain('hook egress device "eth0"');
    expect(await guard.audit(NO_ABORT)).toBe(0);
    expect(await bench.guardOwn({ peers })).toBe(1);
    expect(await standing()).toContain("udp dport 8472");
    expect(await standingAtEgress()).toBeNull();
    expect(await guard.audit(NO_ABORT)).toBe(0);
  });

  it("uses the postrouting hook where it cannot have that of the interface", async () => {
    const old = keeperOf(await bench.programs.withoutEgressIn(own.namespace));
    const rules = rulesOf(own, peers, { tunnel: null });
    expect(await old.sync(rules, NO_ABORT)).toBe(1);
    expect(await standing()).toContain('oifname "eth0"');
    expect(await standingAtEgress()).toBeNull();
    expect(await old.audit(NO_ABORT)).toBe(0);
    await nft.apply("flush ruleset", NO_ABORT);
    expect(await old.audit(NO_ABORT)).toBe(1);
    expect(await old.sync({ ...rules, peers: peers.slice(1) }, NO_ABORT)).toBe(1);
    await ping(own.pod, podIp(stranger), { count: 10, isAnswered: false });
    await expectDrops(old, { guardDropLeak: 10 });
  });

  it("keeps the hook when the interface goes and comes back under its name", async () => {
    await bench.guardOwn({ peers, tunnel: null });
    expect(await standingAtEgress()).toContain("hook egress");
    await own.ip(
      "link del eth0",
      "link add eth0 type veth peer name eth0-other",
      "link set eth0-other up",
      "link set eth0 up",
      "route add default dev eth0",
      `neigh add ${podIp(stranger)} lladdr 02:00:00:00:00:09 dev eth0`,
    );
    await ping(own.pod, podIp(stranger), { count: 10, isAnswered: false });
    await expectDrops(guard, { guardDropLeak: 10 });
  });

  it.each([
    ["with a tunnel", {}],
    ["without one", { tunnel: null }],
  ])("leaves no trace when it is not wanted any more, %s", async (_how, fields) => {
    await nft.apply(MASQUERADE, NO_ABORT);
    const before = await ruleset();
    expect(await guard.audit(NO_ABORT)).toBe(0);
    expect(await guard.sync(null, NO_ABORT)).toBe(0);
    await bench.guardOwn({ peers, ...fields });
    expect(await guard.sync(null, NO_ABORT)).toBe(1);
    expect(await ruleset()).toBe(before);
    expect(await guard.audit(NO_ABORT)).toBe(0);
    expect(await guard.readDrops(NO_ABORT)).toEqual({});
  });

  it("stands beside the guard of another agent, and each counts its own", async () => {
    const other = keeperOf(nft, "10.96.0.0/16");
    const otherRules = { network: prefixOf("10.96.0.0/16"), ownSubnet: prefixOf("10.96.1.0/24") };
    await bench.guardOwn();
    await other.sync(
      {
        ...rulesOf(own, [guarded(peer)]),
        ...otherRules,
        tunnel: { port: 8285, deviceName: "flannel0", isInKernel: false, isDirectRouting: false },
      },
      NO_ABORT,
    );
    const payload = Buffer.from("00");
    await sendDatagrams(stranger.namespace, { target: own.underlayIp, payload, count: 3 });
    await sendDatagrams(stranger.namespace, { target: own.underlayIp, payload, count: 5, port: 8285 });
    await expectDrops(guard, { guardDropStranger: 3 });
    await expectDrops(other, { guardDropStranger: 5 });

    await nft.apply("add table ip twill-other", NO_ABORT);
    const tables = await findGuardTables(nft, NO_ABORT);
    expect(tables.map(({ name }) => name)).toEqual(["twill-10.244.0.0-16", "twill-10.96.0.0-16"]);
    for (const table of tables) await removeGuardTable(nft, table, NO_ABORT);
    expect((await ruleset()).trim()).toBe("table ip twill-other {\n}");
  });

  it("takes 5,000 peers, and heals them within 2 s", async () => {
    const many = Array.from({ length: 5_000 }, (_, i) => ({
      subnet: new Ipv4Prefix(new Ipv4Address(0x0a800100 + i * 256), 24),
      underlayIp: new Ipv4Address(0xc6120001 + i),
      isDirect: i % 3 === 0,
    }));
    const big = { network: prefixOf("10.128.0.0/9"), ownSubnet: prefixOf("10.128.0.0/24") };
    await bench.guardOwn({ ...big, peers: many });
    expect(await guard.audit(NO_ABORT)).toBe(0);
    expect(await bench.guardOwn({ ...big, peers: many.slice(1) })).toBe(1);
    expect(await guard.audit(NO_ABORT)).toBe(0);
    await nft.apply("flush ruleset", NO_ABORT);
    const startMs = performance.now();
    expect(await guard.audit(NO_ABORT)).toBe(1);
    expect(performance.now() - startMs).toBeLessThan(2_000);
    expect(await guard.audit(NO_ABORT)).toBe(0);
  });

  it("says what nft said", async () => {
    const broken = { ...rulesOf(own, [guarded(peer), guarded(peer), peerOf(9, "10.244.2.128/25")]) };
    await expect(guard.sync(broken, NO_ABORT)).rejects.toMatchObject({
      code: "ERR_KERNEL_FAILED",
      message: expect.stringMatching(
        /^Cannot change the firewall: nft -f -: .*conflicting intervals/,
      ) as string,
    });
  });
});
