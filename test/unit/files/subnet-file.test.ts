import { describe, expect, it } from "vitest";
import {
  formatSubnetFile,
  parseDotenv,
  parsePreviousSubnet,
  parseSubnetFile,
} from "../../../src/files/subnet-file.ts";
import { Ipv4Address, Ipv4Prefix } from "../../../src/net/ipv4.ts";

const CONTENT = {
  network: new Ipv4Prefix(new Ipv4Address(0x0af40000), 16),
  subnet: new Ipv4Prefix(new Ipv4Address(0x0af40700), 24),
  overlayMtu: 1472,
  ipMasq: false,
};

describe("formatSubnetFile", () => {
  it("writes flannel's lines in flannel's order, the subnet by its first host", () => {
    expect(formatSubnetFile(CONTENT)).toBe(
      "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1472\nFLANNEL_IPMASQ=false\n",
    );
  });

  it("echoes ip-masq", () => {
    expect(formatSubnetFile({ ...CONTENT, ipMasq: true })).toContain("\nFLANNEL_IPMASQ=true\n");
  });

  it("is read back as the same subnet", () => {
    expect(parsePreviousSubnet(formatSubnetFile(CONTENT))?.toString()).toBe("10.244.7.0/24");
  });
});

describe("parsePreviousSubnet", () => {
  it.each([
    ["FLANNEL_SUBNET=10.244.1.1/24", "10.244.1.0/24"],
    ['FLANNEL_SUBNET="10.244.1.1/24"', "10.244.1.0/24"],
    ["FLANNEL_SUBNET='10.244.1.1/24' # written by hand", "10.244.1.0/24"],
    ["export FLANNEL_SUBNET=10.244.1.1/24", "10.244.1.0/24"],
    ["FLANNEL_SUBNET: 10.244.1.1/24", "10.244.1.0/24"],
    ["  FLANNEL_SUBNET = 10.244.1.1/24 # comment", "10.244.1.0/24"],
    ["FLANNEL_SUBNET=10.244.1.1/24\r\nFLANNEL_MTU=1450\r\n", "10.244.1.0/24"],
    ["FLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_SUBNET=10.244.2.1/24", "10.244.2.0/24"],
    ["FLANNEL_SUBNET=not-a-cidr,10.244.2.1/24", "10.244.2.0/24"],
  ])("reads %j", (text, subnet) => {
    expect(parsePreviousSubnet(text)?.toString()).toBe(subnet);
  });

  it.each([
    ["S1: two valid elements", "FLANNEL_SUBNET=10.244.1.0/24,not-a-cidr,10.244.2.0/24"],
    ["S3: only an invalid element", "FLANNEL_SUBNET=not-a-cidr"],
    ["an IPv6 subnet alone", "FLANNEL_IPV6_SUBNET=2001:db8:7::1/64"],
    ["no such key", "FLANNEL_NETWORK=10.244.0.0/16"],
    ["an empty file", ""],
    ["an empty value", "FLANNEL_SUBNET="],
    ["a comment", "# FLANNEL_SUBNET=10.244.1.1/24"],
    ["an octal address", "FLANNEL_SUBNET=010.244.1.1/24"],
    ["a prefix that is too long", "FLANNEL_SUBNET=10.244.1.1/33"],
    ["no prefix", "FLANNEL_SUBNET=10.244.1.1"],
    ["the zero address", "FLANNEL_SUBNET=0.0.0.0/0"],
    ["another key with this ending", "MY_FLANNEL_SUBNET=10.244.1.1/24"],
  ])("has no subnet from %s", (_, text) => {
    expect(parsePreviousSubnet(text)).toBeNull();
  });
});

describe("parseDotenv", () => {
  it("takes keys of any name, also those of Object.prototype", () => {
    const values = parseDotenv("__proto__=x\nconstructor='y z'\nEMPTY=\n\n=no\nFLANNEL_MTU=1450");
    expect([...values]).toEqual([
      ["__proto__", "x"],
      ["constructor", "y z"],
      ["EMPTY", ""],
      ["FLANNEL_MTU", "1450"],
    ]);
  });

  it("keeps a # that no blank precedes", () => expect(parseDotenv("A=b#c").get("A")).toBe("b#c"));
});

const LINES = [
  "FLANNEL_NETWORK=10.244.0.0/16",
  "FLANNEL_SUBNET=10.244.7.1/24",
  "FLANNEL_MTU=1472",
  "FLANNEL_IPMASQ=false",
];

describe("parseSubnetFile", () => {
  it("reads what an agent writes", () => {
    const file = parseSubnetFile(`${LINES.join("\n")}\n`);
    expect(file?.network.toString()).toBe("10.244.0.0/16");
    expect(file?.subnet.toString()).toBe("10.244.7.0/24");
    expect(file?.gateway.toString()).toBe("10.244.7.1");
    expect(file).toMatchObject({ overlayMtu: 1472, ipMasq: false });
  });

  it("goes by names, not by order, and leaves unknown ones alone", () => {
    const text = [...LINES].reverse().join("\n") + "\nFLANNEL_IPV6_SUBNET=2001:db8::1/64\n__proto__=x\n";
    expect(parseSubnetFile(text)?.gateway.toString()).toBe("10.244.7.1");
  });

  it("gives null when a value is missing", () => {
    for (const missing of LINES.slice(0, 3)) {
      expect(parseSubnetFile(LINES.filter((line) => line !== missing).join("\n"))).toBeNull();
    }
  });

  it.each([
    "FLANNEL_MTU=",
    "FLANNEL_MTU=0",
    "FLANNEL_MTU=1e3",
    "FLANNEL_SUBNET=10.244.7.1",
    "FLANNEL_NETWORK=x",
  ])("gives null for %s", (wrong) => {
    const name = wrong.slice(0, wrong.indexOf("=") + 1);
    const text = LINES.map((line) => (line.startsWith(name) ? wrong : line)).join("\n");
    expect(parseSubnetFile(text)).toBeNull();
  });
});
