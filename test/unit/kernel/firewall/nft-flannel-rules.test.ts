import { describe, expect, it } from "vitest";
import { flannelTable, isSameTable } from "../../../../src/kernel/firewall/nft-flannel-rules.ts";
import { prefixOf } from "../../../support/ipv4.ts";

const WANTED = {
  network: prefixOf("10.244.0.0/16"),
  ownSubnet: prefixOf("10.244.7.0/24"),
  isMasquerading: true,
  isForwarding: true,
  isFullyRandom: false,
};
const TABLE = `table ip flannel-ipv4 {
	comment "rules for flannel-ipv4"

	chain postrtg {
		comment "chain to manage traffic masquerading by flannel"
		type nat hook postrouting priority srcnat; policy accept;
		meta mark & 0x00004000 == 0x00004000 return
		ip saddr 10.244.7.0/24 ip daddr 10.244.0.0/16 return
		ip saddr 10.244.0.0/16 ip daddr 10.244.7.0/24 return
		ip saddr != 10.244.0.0/16 ip daddr 10.244.7.0/24 return
		ip saddr 10.244.0.0/16 ip daddr != 224.0.0.0/4 masquerade
		ip saddr != 10.244.0.0/16 ip daddr 10.244.0.0/16 masquerade
	}

	chain forward {
		comment "chain to accept flannel traffic"
		type filter hook forward priority filter; policy accept;
		ip saddr 10.244.0.0/16 accept
		ip daddr 10.244.0.0/16 accept
	}
}
`;

describe("flannelTable", () => {
  it("has flannel's two chains, with the mask of the mark and the fourth rule as iptables has them", () => {
    expect(flannelTable(WANTED)).toBe(TABLE);
  });

  it("says fully-random on both masquerading rules", () => {
    expect(flannelTable({ ...WANTED, isFullyRandom: true })).toBe(
      TABLE.replaceAll("masquerade\n", "masquerade fully-random\n"),
    );
  });

  it.each([
    ["masquerading", "postrtg", { ...WANTED, isForwarding: false }],
    ["forwarding", "forward", { ...WANTED, isMasquerading: false }],
  ])("has one chain when only %s is wanted", (_what, chain, wanted) => {
    expect(flannelTable(wanted)?.match(/chain \w+ \{/g)).toEqual([`chain ${chain} {`]);
  });

  it("is not there when no chain is wanted", () => {
    expect(flannelTable(null)).toBeNull();
    expect(flannelTable({ ...WANTED, isForwarding: false, isMasquerading: false })).toBeNull();
  });
});

describe("isSameTable", () => {
  it.each([
    ["it is the same text", (text: string) => text],
    ["blanks and blank lines differ", (text: string) => text.replaceAll("\t", "  ").replaceAll("\n\n", "\n")],
    ["the kernel keeps no comments", (text: string) => text.replaceAll(/^\s*comment .*\n/gm, "")],
    ["the mark is printed without zeros", (text: string) => text.replaceAll("0x00004000", "0x4000")],
  ])("holds when %s", (_what, change) => {
    expect(isSameTable(change(TABLE), TABLE)).toBe(true);
  });

  it.each([
    ["a rule is missing", (text: string) => text.replace("\t\tip daddr 10.244.0.0/16 accept\n", "")],
    [
      "a rule is added",
      (text: string) => text.replace("accept\n\t}", "accept\n\t\tip saddr 192.0.2.1 drop\n\t}"),
    ],
    ["a policy is another", (text: string) => text.replace("policy accept", "policy drop")],
    ["the mark is another", (text: string) => text.replaceAll("0x00004000", "0x00040000")],
    ["a chain is added", (text: string) => text.replace(/\}\n$/, "\tchain x {\n\t}\n}\n")],
  ])("does not hold when %s", (_what, change) => {
    expect(change(TABLE)).not.toBe(TABLE);
    expect(isSameTable(change(TABLE), TABLE)).toBe(false);
  });
});
