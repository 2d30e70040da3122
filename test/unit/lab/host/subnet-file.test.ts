import { describe, expect, it } from "vitest";
import { parseSubnetFile } from "../../../../src/lab/host/subnet-file.ts";

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
