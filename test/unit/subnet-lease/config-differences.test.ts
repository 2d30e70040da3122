import { describe, expect, it } from "vitest";
import {
  configDifferences,
  formatDifferences,
  isSameConfig,
} from "../../../src/subnet-lease/config-differences.ts";
import { parseNetworkConfig } from "../../../src/subnet-lease/network-config.ts";

const PLAIN = '{"Network":"10.244.0.0/16"}';

/** The differences between two config texts as an operator sees them. */
function shown(from: string, to: string): string[] {
  return formatDifferences(configDifferences(parseNetworkConfig(from), parseNetworkConfig(to)));
}

/** A config with these members of `Backend`. */
function withBackend(members: string): string {
  return `{"Network":"10.244.0.0/16","Backend":{${members}}}`;
}

describe("configDifferences", () => {
  it.each([
    ["white space", '\n{ "Network" :\t"10.244.0.0/16" }\n'],
    ["the case of names", '{"nETWORK":"10.244.0.0/16"}'],
    ["host bits", '{"Network":"10.244.3.4/16"}'],
    ["a default that is given", '{"Network":"10.244.0.0/16","SubnetLen":24,"SubnetMin":"10.244.1.0"}'],
    ["the backend that is the default", '{"Backend":{"Type":"UDP"},"Network":"10.244.0.0/16"}'],
    ["a member that means nothing", '{"Network":"10.244.0.0/16","Comment":"ours"}'],
    ["a member of the backend that is null", withBackend('"Type":"udp","Port":null')],
  ])("sees none in %s", (_what, text) => {
    expect(shown(PLAIN, text)).toEqual([]);
    expect(isSameConfig(parseNetworkConfig(PLAIN), parseNetworkConfig(text))).toBe(true);
  });

  it("sees none in the order and spelling of the backend's members, whose last spelling counts", () => {
    const from = withBackend('"Type":"vxlan","VNI":7,"Port":1,"Port":8472,"Extra":{"a":1,"b":[2]}');
    const to = withBackend('"Extra":{"b":[2],"a":1},"type":"VXLAN","PORT":1,"Port":8472,"vni":7');
    expect(shown(from, to)).toEqual([]);
  });

  it("sees none where names differ in letters that Go takes for one", () => {
    const from = withBackend('"Type":"udp","Slack":7');
    expect(shown(from, withBackend('"Type":"udp","\u017flac\u212a":7'))).toEqual([]);
    expect(shown(from, withBackend('"Type":"udp","\u017flac\u212a":8'))).toEqual([
      "Backend.\\u017flac\\u212a 7 -> 8",
    ]);
  });

  it.each([
    [
      '"SubnetLen":25',
      [
        "SubnetLen 24 -> 25",
        "SubnetMin 10.244.1.0 -> 10.244.0.128",
        "SubnetMax 10.244.255.0 -> 10.244.255.128",
      ],
    ],
    ['"SubnetMin":"10.244.8.0"', ["SubnetMin 10.244.1.0 -> 10.244.8.0"]],
    ['"SubnetMax":"10.244.8.0"', ["SubnetMax 10.244.255.0 -> 10.244.8.0"]],
    ['"EnableNFTables":true', ["EnableNFTables false -> true"]],
    ['"Backend":{"Type":"vxlan","VNI":7}', ['Backend.Type "udp" -> "vxlan"', "Backend.VNI (absent) -> 7"]],
    ['"Backend":null', ['Backend.Type "udp" -> ""']],
  ])("names every member that %s changes, and both values", (member, differences) => {
    expect(shown(PLAIN, `{"Network":"10.244.0.0/16",${member}}`)).toEqual(differences);
  });

  it("names the network, and what follows from it", () => {
    expect(shown(PLAIN, '{"Network":"10.3.0.0/16"}')).toEqual([
      "Network 10.244.0.0/16 -> 10.3.0.0/16",
      "SubnetMin 10.244.1.0 -> 10.3.1.0",
      "SubnetMax 10.244.255.0 -> 10.3.255.0",
    ]);
  });

  it("names the members of IPv6, absent without it", () => {
    const members = '"EnableIPv6":true,"IPv6Network":"2001:db8::/48"';
    expect(shown(PLAIN, `{"Network":"10.244.0.0/16",${members}}`)).toEqual([
      "EnableIPv6 false -> true",
      "IPv6Network (absent) -> 2001:db8::/48",
      "IPv6SubnetLen (absent) -> 64",
      "IPv6SubnetMin (absent) -> 2001:db8:0:1::",
      "IPv6SubnetMax (absent) -> 2001:db8:0:ffff::",
    ]);
  });

  it("names a member of the backend that is gone, as it was spelled", () => {
    expect(shown(withBackend('"Type":"udp","pOrt":9000'), withBackend('"Type":"udp"'))).toEqual([
      "Backend.pOrt 9000 -> (absent)",
    ]);
  });

  it("escapes and cuts names and values, and tells names apart that are cut alike", () => {
    const long = "x".repeat(10_000);
    const to = withBackend(`"Type":"udp","\\n${long}a":"\\u001b[31m${long}","\\n${long}b":1`);
    const name = `Backend.\\u000a${"x".repeat(79)}...`;
    expect(shown(PLAIN, to)).toEqual([
      `${name} (absent) -> "\\u001b[31m${"x".repeat(75)}..."`,
      `${name} (absent) -> 1`,
    ]);
  });

  it("shows twelve and counts the others", () => {
    const members = Array.from({ length: 1_000 }, (_, i) => `"m${i}":${i}`).join(",");
    const differences = shown(PLAIN, withBackend(`"Type":"udp",${members}`));
    expect(differences).toHaveLength(13);
    expect(differences.slice(-2)).toEqual(["Backend.m11 (absent) -> 11", "and 988 more"]);
  });
});
