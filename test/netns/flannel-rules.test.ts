import { describe, expect, it } from "vitest";
import type { KeeperKind } from "../support/flannel-rules-child.ts";
import { FlannelRulesHost, WANTED } from "../support/flannel-rules-host.ts";

/** The two kinds of iptables: each has its own tables in the kernel. */
const IPTABLES_KINDS = ["iptables-nft", "iptables-legacy"] as const;

/** `iptables -t nat -S` and `iptables -S` of a host that has no other rules. */
const NAT_LISTING = `-P PREROUTING ACCEPT
-P INPUT ACCEPT
-P OUTPUT ACCEPT
-P POSTROUTING ACCEPT
-N FLANNEL-POSTRTG
-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.244.1.0/24 -d 10.244.0.0/16 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.244.0.0/16 -d 10.244.1.0/24 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG ! -s 10.244.0.0/16 -d 10.244.1.0/24 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.244.0.0/16 ! -d 224.0.0.0/4 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully
-A FLANNEL-POSTRTG ! -s 10.244.0.0/16 -d 10.244.0.0/16 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully
`;
const FILTER_LISTING = `-P INPUT ACCEPT
-P FORWARD ACCEPT
-P OUTPUT ACCEPT
-N FLANNEL-FWD
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
-A FLANNEL-FWD -s 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
-A FLANNEL-FWD -d 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
`;
/** `nft list ruleset` of a host that has no other rules. */
const NFT_LISTING = `table ip flannel-ipv4 {
	comment "rules for flannel-ipv4"
	chain postrtg {
		comment "chain to manage traffic masquerading by flannel"
		type nat hook postrouting priority srcnat; policy accept;
		meta mark & 0x00004000 == 0x00004000 return
		ip saddr 10.244.1.0/24 ip daddr 10.244.0.0/16 return
		ip saddr 10.244.0.0/16 ip daddr 10.244.1.0/24 return
		ip saddr != 10.244.0.0/16 ip daddr 10.244.1.0/24 return
		ip saddr 10.244.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random
		ip saddr != 10.244.0.0/16 ip daddr 10.244.0.0/16 masquerade fully-random
	}

	chain forward {
		comment "chain to accept flannel traffic"
		type filter hook forward priority filter; policy accept;
		ip saddr 10.244.0.0/16 accept
		ip daddr 10.244.0.0/16 accept
	}
}
`;
/** Programs that change the firewall at the same time as we do, and how often each does. */
const OTHER_USERS = 8;
const CHANGES_OF_EACH = 20;

/** What lists our rules as their user would. */
async function listingOf(host: FlannelRulesHost, kind: KeeperKind): Promise<string> {
  return kind === "nft"
    ? await host.sh("nft list ruleset")
    : await host.sh(`${kind} -t nat -S`, `${kind} -S`);
}

function wholeListing(kind: KeeperKind): string {
  return kind === "nft" ? NFT_LISTING : NAT_LISTING + FILTER_LISTING;
}

describe.each([...IPTABLES_KINDS, "nft"] as const)("keep by %s", (kind) => {
  it("makes flannel's rules in flannel's text, and then finds nothing to do", async () => {
    await using host = await FlannelRulesHost.create();

    expect(await host.keep(kind)).toBe(kind === "nft" ? 1 : 2);

    expect(await listingOf(host, kind)).toBe(wholeListing(kind));
    expect(await host.keep(kind)).toBe(0);
  });

  it("replaces every rule when network and subnet change", async () => {
    await using host = await FlannelRulesHost.create();
    await host.keep(kind, { ...WANTED, network: "10.245.0.0/16", ownSubnet: "10.245.9.0/24" });

    expect(await host.keep(kind)).toBe(kind === "nft" ? 1 : 2);

    expect(await listingOf(host, kind)).toBe(wholeListing(kind));
  });

  it("shows a reader the old rules or the new ones, whole, while it replaces them", async () => {
    await using host = await FlannelRulesHost.create();
    const read = async (): Promise<string> =>
      await host.sh(kind === "nft" ? "nft list ruleset" : `${kind} -t nat -S`);
    const states = new Set<string>();
    const wishes = [WANTED, { ...WANTED, ownSubnet: "10.244.2.0/24" }];
    for (const wish of wishes) {
      await host.keep(kind, wish);
      states.add(await read());
    }

    const done = new AbortController();
    const replacing = (async () => {
      for (let i = 0; i < 10; i++) await host.keep(kind, wishes[i % 2]);
    })().finally(() => {
      done.abort();
    });
    const seen = new Set<string>();
    while (!done.signal.aborted) seen.add(await read());
    await replacing;

    expect(states.size).toBe(2);
    expect([...seen].filter((text) => !states.has(text))).toEqual([]);
  });

  it.each([["nothing"], ["Docker's rules"]])(
    "leaves a host with %s as it was when no rules are wanted",
    async (before) => {
      await using host = await FlannelRulesHost.create();
      // Reading makes the tables of the legacy kind, and nothing unmakes them: they are there before.
      if (kind === "iptables-legacy") await host.sh(`${kind} -t nat -S`, `${kind} -S`);
      if (before !== "nothing") await host.runDocker(kind === "nft" ? "iptables-nft" : kind);
      const bare = await host.firewall();

      await host.keep(kind);
      expect(await host.firewall()).not.toBe(bare);
      expect(await host.keep(kind, null)).toBe(kind === "nft" ? 1 : 2);

      expect(await host.firewall()).toBe(bare);
      expect(await host.keep(kind, null)).toBe(0);
      expect(await host.firewall()).toBe(bare);
    },
  );

  it("takes away the rules of what is switched off, and those alone", async () => {
    await using host = await FlannelRulesHost.create();
    await host.keep(kind, { ...WANTED, isMasquerading: false });
    const forwardOnly = await host.firewall();
    await host.keep(kind, { ...WANTED, isForwarding: false, isFullyRandom: false });
    const masqueradeOnly = await host.firewall();
    expect(forwardOnly).not.toMatch(/masquerad/i);
    expect(masqueradeOnly).not.toMatch(/accept flannel|FLANNEL-FWD|random/);
    await host.keep(kind);

    expect(await host.keep(kind, { ...WANTED, isMasquerading: false })).toBe(1);
    // The legacy kind has made its table nat by now.
    const emptyNat = /\*nat\n(:.*\n)*COMMIT\n/;
    expect((await host.firewall()).replace(emptyNat, "")).toBe(forwardOnly.replace(emptyNat, ""));
  });
});

describe.each(IPTABLES_KINDS)("keep by %s, after somebody", (kind) => {
  const inOneTable: readonly [what: string, lines: readonly string[]][] = [
    ["flushed nat", [`${kind} -t nat -F`]],
    ["flushed nat and deleted its chains", [`${kind} -t nat -F`, `${kind} -t nat -X`]],
    ["flushed filter and deleted its chains", [`${kind} -F`, `${kind} -X`]],
    ["appended a rule to our chain", [`${kind} -t nat -A FLANNEL-POSTRTG -s 192.0.2.1 -j ACCEPT`]],
    ["put a rule first in our chain", [`${kind} -I FLANNEL-FWD -s 192.0.2.1 -j DROP`]],
    ["took a rule out of our chain", [`${kind} -t nat -D FLANNEL-POSTRTG 1`]],
    [
      "changed the order of our chain",
      [
        `${kind} -D FLANNEL-FWD 1`,
        `${kind} -A FLANNEL-FWD -s 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT`,
      ],
    ],
    ["deleted the jump", [`${kind} -D FORWARD 1`]],
    [
      "doubled the jump",
      Array<string>(2).fill(
        `${kind} -t nat -A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG`,
      ),
    ],
  ];

  it.each(inOneTable)("%s, mends that table alone", async (_what, lines) => {
    await using host = await FlannelRulesHost.create();
    await host.keep(kind);

    await host.sh(...lines);
    expect(await listingOf(host, kind)).not.toBe(wholeListing(kind));
    expect(await host.keep(kind)).toBe(1);

    expect(await listingOf(host, kind)).toBe(wholeListing(kind));
    expect(await host.keep(kind)).toBe(0);
  });

  it("made jumps of their own into the chain, leaves them", async () => {
    await using host = await FlannelRulesHost.create();
    await host.keep(kind);
    await host.sh(`${kind} -I FORWARD -j FLANNEL-FWD`, `${kind} -A INPUT -s 192.0.2.1 -g FLANNEL-FWD`);
    const theirs = await listingOf(host, kind);
    expect(await host.keep(kind)).toBe(0);
    expect(await listingOf(host, kind)).toBe(theirs);
  });

  it("put rules of their own before and after the jump, leaves them and it where they are", async () => {
    await using host = await FlannelRulesHost.create();
    await host.keep(kind);
    await host.sh(
      `${kind} -I FORWARD -s 192.0.2.1 -m comment --comment "to FLANNEL-FWD -j FLANNEL-FWD" -j DROP`,
      `${kind} -A FORWARD -s 192.0.2.2 -j DROP`,
      `${kind} -P FORWARD DROP`,
    );
    const theirs = await host.firewall();

    expect(await host.keep(kind)).toBe(0);

    expect(await host.firewall()).toBe(theirs);
  });

  it(`is at work, ${OTHER_USERS} programs at once, neither fails nor lets them fail`, async () => {
    await using host = await FlannelRulesHost.create();
    await host.runDocker(kind);
    await host.keep(kind);
    const before = await host.firewall();
    const use = async (user: number): Promise<unknown> =>
      await host.sh(
        `for i in $(seq ${CHANGES_OF_EACH})`,
        "do",
        `  ${kind} --wait -t nat -A POSTROUTING -s 192.0.2.${user} -j RETURN`,
        `  ${kind} --wait -I FORWARD -s 192.0.2.${user} -j ACCEPT`,
        `  ${kind} --wait -t nat -D POSTROUTING -s 192.0.2.${user} -j RETURN`,
        `  ${kind} --wait -D FORWARD -s 192.0.2.${user} -j ACCEPT`,
        "done",
      );

    const end = new AbortController();
    const users = Promise.all(Array.from({ length: OTHER_USERS }, (_, i) => use(i + 1))).finally(() => {
      end.abort();
    });
    const written = [0];
    while (!end.signal.aborted) {
      const subnets = ["10.244.2.0/24", "10.244.1.0/24"];
      for (const ownSubnet of subnets) written.push(await host.keep(kind, { ...WANTED, ownSubnet }));
    }
    await users;

    expect(written.slice(1)).toEqual(written.slice(1).map(() => 1)); // nat alone knows the subnet
    expect(written.length).toBeGreaterThan(10);
    expect(await host.firewall()).toBe(before);
  });
});

describe("keep by nft, after somebody", () => {
  it.each([
    ["flushed the ruleset", "nft flush ruleset"],
    ["flushed our table", "nft flush table ip flannel-ipv4"],
    ["deleted a chain", "nft delete chain ip flannel-ipv4 forward"],
    ["appended a rule to our chain", "nft add rule ip flannel-ipv4 forward ip saddr 192.0.2.1 drop"],
    ["put a rule first in our chain", "nft insert rule ip flannel-ipv4 postrtg ip saddr 192.0.2.1 accept"],
    ["added a chain to our table", "nft add chain ip flannel-ipv4 other"],
    ["made our chain drop", "nft chain ip flannel-ipv4 forward '{ policy drop; }'"],
  ])("%s, mends it", async (_what, line) => {
    await using host = await FlannelRulesHost.create();
    await host.keep("nft");

    await host.sh(line);
    expect(await host.sh("nft list ruleset")).not.toBe(NFT_LISTING);
    expect(await host.keep("nft")).toBe(1);

    expect(await host.sh("nft list ruleset")).toBe(NFT_LISTING);
    expect(await host.keep("nft")).toBe(0);
  });
});
