import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OverlayError } from "../../../src/net/overlay-error.ts";
import { assertCarried, parseNetworkConfig } from "../../../src/subnet-lease/network-config.ts";

function rangeOf(text: string): string {
  const { network, subnetLength, subnetMin, subnetMax } = parseNetworkConfig(text);
  return `${network.toString()} /${subnetLength} ${subnetMin.toString()} ${subnetMax.toString()}`;
}

/** The IPv6 range of a dual-stack config with these IPv6 members. */
function range6Of(members: string): string {
  const { ipv6 } = parseNetworkConfig(`{"Network":"10.3.0.0/16","EnableIPv6":true,${members}}`);
  if (ipv6 === null) return "none";
  return `${ipv6.network.toString()} /${ipv6.subnetLength} ${ipv6.subnetMin.toString()} ${ipv6.subnetMax.toString()}`;
}

function refusalOf(read: () => unknown): string {
  try {
    read();
  } catch (err) {
    if (err instanceof OverlayError && err.code === "ERR_CONFIG_INVALID") return err.message;
    throw err;
  }
  return "accepted";
}

describe("parseNetworkConfig", () => {
  it("reads whether nftables makes the firewall rules, which iptables does unless told", () => {
    const read = (members: string): boolean =>
      parseNetworkConfig(`{"Network":"10.3.0.0/16"${members}}`).usesNftables;
    expect(read("")).toBe(false);
    expect(read(`,"enablenftables":true`)).toBe(true);
  });

  it("fills in flannel's defaults, whatever the case of the names (C1)", () => {
    expect(rangeOf(`{"network":"10.3.0.0/16"}`)).toBe("10.3.0.0/16 /24 10.3.1.0 10.3.255.0");
  });

  it("takes a range as given (C3)", () => {
    const text = `{"Network":"10.3.0.0/16","SubnetMin":"10.3.5.0","SubnetMax":"10.3.8.0","SubnetLen":28}`;
    expect(rangeOf(text)).toBe("10.3.0.0/16 /28 10.3.5.0 10.3.8.0");
  });

  it("takes the documentation's example (C6)", () => {
    const config = parseNetworkConfig(
      `{"Network":"10.0.0.0/8","SubnetLen":20,"SubnetMin":"10.10.0.0","SubnetMax":"10.99.0.0","Backend":{"Type":"udp","Port":7890}}`,
    );
    expect(config.subnetLength).toBe(20);
    expect(config.backendType).toBe("udp");
    expect(config.backendOptions).toMatchObject({ Type: "udp", Port: 7890 });
  });

  it.each([
    ["10.3.0.0/22", "10.3.0.0/22 /24 10.3.1.0 10.3.3.0"],
    ["10.3.0.0/23", "10.3.0.0/23 /25 10.3.0.128 10.3.1.128"],
    ["10.3.0.0/24", "10.3.0.0/24 /26 10.3.0.64 10.3.0.192"],
    ["10.3.0.0/28", "10.3.0.0/28 /30 10.3.0.4 10.3.0.12"],
  ])("derives the subnet length of %s (C7)", (network, expected) => {
    expect(rangeOf(`{"Network":"${network}"}`)).toBe(expected);
  });

  it("clears the host bits of Network (C11)", () => {
    expect(rangeOf(`{"Network":"10.3.7.9/16"}`)).toBe("10.3.0.0/16 /24 10.3.1.0 10.3.255.0");
  });

  it("takes 0.0.0.0, 0 and null for not given, as flannel", () => {
    const text = `{"Network":"10.3.0.0/16","SubnetMin":"0.0.0.0","SubnetLen":0,"EnableIPv6":null}`;
    expect(rangeOf(text)).toBe("10.3.0.0/16 /24 10.3.1.0 10.3.255.0");
  });

  it.each([
    [`"IPv6Network":"fc00::/48"`, "fc00::/48 /64 fc00:0:0:1:: fc00:0:0:ffff::"],
    [
      `"IPv6Network":"fc00::/48","IPv6SubnetMin":"fc00:0:0:1::","IPv6SubnetMax":"fc00:0:0:f::","IPv6SubnetLen":124`,
      "fc00::/48 /124 fc00:0:0:1:: fc00:0:0:f::",
    ],
    [`"IPv6Network":"fc00::/62"`, "fc00::/62 /64 fc00:0:0:1:: fc00:0:0:3::"],
    [`"IPv6Network":"fc00::/63"`, "fc00::/63 /65 fc00::8000:0:0:0 fc00:0:0:1:8000::"],
    [`"IPv6Network":"fc00::/124"`, "fc00::/124 /126 fc00::4 fc00::c"],
    [`"IPv6Network":"fc00::/48","IPv6SubnetMin":"::"`, "fc00::/48 /64 fc00:0:0:1:: fc00:0:0:ffff::"],
  ])("has the same rules for IPv6 (C2, C4, C14): %s", (members, expected) => {
    expect(range6Of(members)).toBe(expected);
  });

  it.each([
    ["no Backend", "{}", "udp"],
    ["an empty Backend", `{"Backend":{}}`, ""],
    ["null for Backend", `{"Backend":null}`, ""],
    ["a type in upper case", `{"Backend":{"type":"VXLAN"}}`, "vxlan"],
  ])("reads the type of %s (C13)", (_, text, expected) => {
    const config = parseNetworkConfig(
      text.replace("{", `{"Network":"10.3.0.0/16"${text === "{}" ? "" : ","}`),
    );
    expect(config.backendType).toBe(expected);
  });

  it("keeps the Backend object as stored, without a prototype", () => {
    const text = `{"Network":"10.3.0.0/16","Backend":{"Type":"udp","__proto__":{"x":1},"Port":8286}}`;
    const { backendOptions } = parseNetworkConfig(text);
    expect(Object.keys(backendOptions)).toEqual(["Type", "__proto__", "Port"]);
    expect(backendOptions.x).toBeUndefined();
    expect(backendOptions.constructor).toBeUndefined();
  });

  it.each([
    ["arbitrary text (C5)", "junk", /^Cannot use the network config: it is not JSON, "Unexpected token/],
    ["an empty string (C5)", "", /it is not JSON/],
    ["trailing text", `{"Network":"10.3.0.0/16"} x`, /it is not JSON/],
    ["an array", "[]", /: \[\] is not a JSON object/],
    ["no Network (C5)", "{}", /Network is missing; give the whole overlay range, such as "10.244.0.0\/16"/],
    ["the whole address space", `{"Network":"0.0.0.0/0"}`, /Network is missing/],
    ["null for Network", `{"Network":null}`, /Network null is not an IPv4 prefix/],
    [
      "IPv6 in Network (C12)",
      `{"Network":"2001:db8::/64"}`,
      /Network "2001:db8::\/64" is not an IPv4 prefix/,
    ],
    ["a number for Network", `{"Network":10}`, /Network 10 is not an IPv4 prefix/],
    [
      "a /29 (C8)",
      `{"Network":"10.3.0.0/29"}`,
      /Network 10.3.0.0\/29 is too small for subnets; use a \/28 or wider/,
    ],
    ["a /29 with a length", `{"Network":"10.3.0.0/29","SubnetLen":30}`, /too small/],
    [
      "SubnetLen 31 (C9)",
      `{"Network":"10.3.0.0/16","SubnetLen":31}`,
      /SubnetLen 31 does not fit 10.3.0.0\/16; use 18 to 30/,
    ],
    ["SubnetLen 17 in a /16 (C9)", `{"Network":"10.3.0.0/16","SubnetLen":17}`, /SubnetLen 17 does not fit/],
    [
      "text for SubnetLen",
      `{"Network":"10.3.0.0/16","SubnetLen":"24"}`,
      /SubnetLen "24" is not a whole number of bits/,
    ],
    ["a fraction for SubnetLen", `{"Network":"10.3.0.0/16","SubnetLen":24.5}`, /SubnetLen 24.5 is not/],
    ["a negative SubnetLen", `{"Network":"10.3.0.0/16","SubnetLen":-1}`, /SubnetLen -1 is not/],
    ["a huge SubnetLen", `{"Network":"10.3.0.0/16","SubnetLen":1e999}`, /SubnetLen Infinity is not/],
    [
      "SubnetMin outside (C10)",
      `{"Network":"10.3.0.0/16","SubnetMin":"10.4.1.0"}`,
      /SubnetMin 10.4.1.0 is not in the network 10.3.0.0\/16/,
    ],
    ["SubnetMax outside", `{"Network":"10.3.0.0/16","SubnetMax":"10.4.1.0"}`, /SubnetMax 10.4.1.0 is not in/],
    [
      "SubnetMin off the grid (C10)",
      `{"Network":"10.3.0.0/16","SubnetMin":"10.3.1.5"}`,
      /SubnetMin 10.3.1.5 is not the first address of a \/24; use 10.3.1.0/,
    ],
    [
      "null for SubnetMin",
      `{"Network":"10.3.0.0/16","SubnetMin":null}`,
      /SubnetMin null is not an IPv4 address/,
    ],
    [
      "SubnetMin above SubnetMax",
      `{"Network":"10.3.0.0/16","SubnetMin":"10.3.9.0","SubnetMax":"10.3.8.0"}`,
      /SubnetMin 10.3.9.0 is above SubnetMax 10.3.8.0; swap them/,
    ],
    [
      "text for EnableNFTables",
      `{"Network":"10.3.0.0/16","EnableNFTables":"yes"}`,
      /EnableNFTables "yes" is neither true nor false/,
    ],
    [
      "text for EnableIPv6",
      `{"Network":"10.3.0.0/16","EnableIPv6":"yes"}`,
      /EnableIPv6 "yes" is neither true nor false/,
    ],
    ["text for Backend", `{"Network":"10.3.0.0/16","Backend":"udp"}`, /Backend "udp" is not a JSON object/],
    ["a number for Type", `{"Network":"10.3.0.0/16","Backend":{"Type":1}}`, /Backend.Type 1 is not a string/],
    ["IPv6 without its network", `{"Network":"10.3.0.0/16","EnableIPv6":true}`, /IPv6Network is missing/],
    [
      "IPv6Network /125 (C14)",
      `{"Network":"10.3.0.0/16","EnableIPv6":true,"IPv6Network":"fc00::/125"}`,
      /IPv6Network fc00::\/125 is too small for subnets; use a \/124 or wider/,
    ],
    [
      "IPv6SubnetLen 127 (C14)",
      `{"Network":"10.3.0.0/16","EnableIPv6":true,"IPv6Network":"fc00::/48","IPv6SubnetLen":127}`,
      /IPv6SubnetLen 127 does not fit fc00::\/48; use 50 to 126/,
    ],
    [
      "a wrong type in a family that is off",
      `{"Network":"10.3.0.0/16","IPv6Network":7}`,
      /IPv6Network 7 is not/,
    ],
    [
      "IPv6 only",
      `{"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fc00::/48"}`,
      /EnableIPv4 false is not supported with etcd; set it to true and give Network/,
    ],
    ["neither family", `{"EnableIPv4":false}`, /EnableIPv4 false is not supported/],
    [
      "text that would forge a line",
      `{"Network":"x\\nERROR forged"}`,
      /Network "x\\u000aERROR forged" is not/,
    ],
  ])("refuses %s", (_, text, message) => expect(refusalOf(() => parseNetworkConfig(text))).toMatch(message));

  it.each(["SubnetLen", "Backend", "Other"])("refuses %s that is nested thousands deep", (member) => {
    const text = `{"Network":"10.3.0.0/16","${member}":${"[".repeat(20_000)}${"]".repeat(20_000)}}`;
    expect(refusalOf(() => parseNetworkConfig(text))).toBe(
      "Cannot use the network config: it is nested deeper than 16 levels",
    );
  });

  it("names the member in the fields of the error", () => {
    expect(() => parseNetworkConfig(`{"Network":"10.3.0.0/16","SubnetLen":31}`)).toThrow(
      expect.objectContaining({ code: "ERR_CONFIG_INVALID", fields: { member: "SubnetLen" } }),
    );
  });

  it("throws nothing but ERR_CONFIG_INVALID, and what it takes keeps its own rules", () => {
    const name = fc.constantFrom(
      "Network",
      "SubnetLen",
      "SubnetMin",
      "SubnetMax",
      "EnableIPv4",
      "EnableIPv6",
      "IPv6Network",
      "Backend",
    );
    const value = fc.oneof(
      fc.constantFrom(
        "10.3.0.0/16",
        "10.3.0.0/27",
        "10.3.4.0",
        "10.3.250.0",
        "fc00::/48",
        "255.255.255.252",
        "240.0.0.0/4",
      ),
      fc.integer({ min: -1, max: 33 }),
      fc.jsonValue(),
    );
    const anyText = fc.oneof(
      fc.string(),
      fc.dictionary(name, value).map((json) => JSON.stringify(json)),
    );
    fc.assert(
      fc.property(anyText, (text) => {
        const refused = refusalOf(() => {
          const { network, subnetMin, subnetMax } = parseNetworkConfig(text);
          const isSound =
            network.contains(subnetMin) && network.contains(subnetMax) && subnetMin.value <= subnetMax.value;
          return isSound ? "sound" : expect.fail(`${text} gave a range that is not in its network`);
        });
        expect(refused).toMatch(/^accepted$|^Cannot use the network config: /);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("assertCarried", () => {
  it("takes an IPv4 config", () => {
    expect(refusalOf(() => assertCarried(parseNetworkConfig(`{"Network":"10.3.0.0/16"}`)))).toBe("accepted");
  });

  it("refuses IPv6 for now, and says which backend does not carry it", () => {
    const text = `{"Network":"10.3.0.0/16","EnableIPv6":true,"IPv6Network":"fc00::/48"}`;
    expect(refusalOf(() => assertCarried(parseNetworkConfig(text)))).toBe(
      'Cannot use the network config: EnableIPv6 true is not supported yet by backend "udp"; set it to false',
    );
  });
});
