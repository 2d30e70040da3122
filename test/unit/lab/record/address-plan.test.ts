import { describe, expect, it } from "vitest";
import {
  ROUTER_IP,
  UNDERLAY_NETWORK,
  checkCount,
  parseOverlayNetwork,
  podIpOf,
  underlayIpOf,
} from "../../../../src/lab/record/address-plan.ts";
import { Ipv4Address } from "../../../../src/net/ipv4.ts";

describe("underlayIpOf", () => {
  it("counts hosts from 192.0.2.1", () => {
    expect(UNDERLAY_NETWORK.toString()).toBe("192.0.2.0/24");
    expect(underlayIpOf(1).toString()).toBe("192.0.2.1");
    expect(underlayIpOf(50).toString()).toBe("192.0.2.50");
    expect(ROUTER_IP.toString()).toBe("192.0.2.254");
  });
});

describe("podIpOf", () => {
  it("starts right after the gateway", () => {
    const gateway = new Ipv4Address(0x0af40701);
    expect(podIpOf(gateway, 1).toString()).toBe("10.244.7.2");
    expect(podIpOf(gateway, 100).toString()).toBe("10.244.7.101");
  });
});

describe("parseOverlayNetwork", () => {
  it("reads a prefix", () => expect(parseOverlayNetwork("10.244.0.0/16").toString()).toBe("10.244.0.0/16"));

  it.each(["", "10.244.0.0", "10.244.0.1/16", "192.0.2.0/28", "0.0.0.0/0"])("refuses %j", (text) => {
    expect(() => parseOverlayNetwork(text)).toThrow(expect.objectContaining({ code: "ERR_OPTION_INVALID" }));
  });
});

describe("parseOverlayNetwork, given host bits", () => {
  it("says which network is meant", () => {
    expect(() => parseOverlayNetwork("10.244.0.1/16")).toThrow("bits set past the /16, use 10.244.0.0/16");
  });
});

describe("checkCount", () => {
  it.each([0, 51, 1.5, Number.NaN])("refuses %d hosts", (hosts) => {
    expect(() => checkCount("hosts", hosts, 1, 50)).toThrow(
      `Cannot make a lab with hosts ${hosts}: need 1 to 50`,
    );
  });
});
