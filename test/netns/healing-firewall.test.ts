/** What other people's firewalls do to ours. */
import { describe, expect, it } from "vitest";
import { FOREIGN_RULES, UDP, WAYS, createHealingLab, heals, useHealingLabs } from "../support/healing-lab.ts";
import type { Place } from "../support/healing-lab.ts";

/** The bar is 2 s; the rest is for a busy machine. */
const WITHIN_MS = 5_000;

const labs = useHealingLabs();

/** As firewalld does: everything goes, and what is its own comes, in one transaction. */
async function flushNftables({ host }: Place): Promise<void> {
  await host.execChecked(["nft", "-f", "-"], { stdin: `flush ruleset\n${FOREIGN_RULES}` });
}

describe.each(WAYS)("the firewall rules of $name", (way) => {
  it("come back when all tables of nftables are flushed", async () => {
    const place = await labs.place(way);
    await heals(place, "nft flush ruleset", () => flushNftables(place), { withinMs: WITHIN_MS });
  });

  it("come back when the chains of iptables are flushed and removed", async () => {
    const place = await labs.place(way);
    const flush = async (): Promise<void> => {
      for (const words of ["-F", "-t nat -F", "-X", "-t nat -X"])
        await place.host.execChecked(["iptables", ...words.split(" ")]);
    };
    await heals(place, "iptables -F and -X", flush, { withinMs: WITHIN_MS });
  });

  it("let packets pass where Docker's policy drops what is forwarded, and leave that policy", async () => {
    const place = await labs.place(way);
    const { host, peer } = place;
    const setPolicy = async (policy: string): Promise<string> =>
      await host.execChecked(["iptables", "-P", "FORWARD", policy]);
    const underDrop = async (): Promise<void> => {
      await setPolicy("DROP");
      const counts = await Promise.all([
        host.pod.ping(peer.pod.address, { count: 100 }),
        peer.pod.ping(host.pod.address, { count: 100 }),
      ]);
      for (const count of counts) expect(count).toMatchObject({ sent: 100, lost: 0 });
      expect(await host.execChecked(["iptables", "-S", "FORWARD"])).toMatch(/^-P FORWARD DROP\n/);
      await setPolicy("ACCEPT");
    };
    await heals(place, "policy DROP for a second", underDrop, { withinMs: WITHIN_MS });
  });
});

describe("the firewall rules of a network with EnableNFTables", () => {
  it("come back when all tables of nftables are flushed, without one of iptables", async () => {
    await using lab = await createHealingLab("udp", { EnableNFTables: true });
    const place = { way: UDP, lab, host: lab.host(0), peer: lab.host(1) };
    await heals(place, "nft flush ruleset, EnableNFTables", () => flushNftables(place), {
      withinMs: WITHIN_MS,
    });
    expect(await place.host.execChecked(["nft", "list", "tables"])).toMatch(/^table ip flannel-ipv4$/m);
    expect(await place.host.execChecked(["iptables-save"])).not.toContain("FLANNEL");
  });
});
