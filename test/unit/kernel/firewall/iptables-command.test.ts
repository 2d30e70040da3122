import { describe, expect, it } from "vitest";
import { parseIptablesVersion } from "../../../../src/kernel/firewall/iptables-command.ts";

describe("parseIptablesVersion", () => {
  it.each([
    ["iptables v1.8.9 (nf_tables)\n", "nft", true],
    ["iptables v1.8.9 (legacy)\n", "legacy", true],
    ["iptables v2.0.0 (nf_tables)\n", "nft", true],
    ["iptables v1.6.2\n", "legacy", true],
    ["iptables v1.6.1\n", "legacy", false],
    ["iptables v1.4.21\n", "legacy", false],
    ["iptables v1.10.0\n", "legacy", true],
  ])("reads %j", (text, variant, isSince162) => {
    expect(parseIptablesVersion(text)).toEqual({ variant, isSince162 });
  });

  it.each(["", "iptables: not found", "iptables v1.8"])("gives null for %j", (text) => {
    expect(parseIptablesVersion(text)).toBeNull();
  });
});
