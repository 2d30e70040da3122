import { describe, expect, it } from "vitest";
import { wantedFirewall } from "../../../../src/agent/overlay/wanted-firewall.ts";
import type { FirewallFacts } from "../../../../src/agent/overlay/wanted-firewall.ts";
import { addressOf, prefixOf } from "../../../support/ipv4.ts";

const facts: FirewallFacts = {
  options: {
    ipMasq: true,
    ipMasqFullyRandomDisable: false,
    iptablesForwardRules: true,
    sourceCheck: "strict",
  },
  underlayPrefixes: [prefixOf("192.0.2.0/24")],
  underlay: {
    interfaceName: "eth0",
    interfaceIndex: 2,
    interfaceIp: addressOf("192.0.2.1"),
    publicIp: addressOf("203.0.113.1"),
    underlayMtu: 1500,
  },
  network: prefixOf("10.244.0.0/16"),
  ownSubnet: prefixOf("10.244.1.0/24"),
  backend: {
    carriesPackets: true,
    engineName: null,
    deviceName: "flannel.1",
    encapsulationPort: 8472,
    isDirectRouting: true,
    readDirectSubnets: () => [prefixOf("10.244.3.0/24")],
  },
  peers: [2, 3].map((host) => ({
    subnet: prefixOf(`10.244.${host}.0/24`),
    underlayIp: addressOf(`192.0.2.${host}`),
    backend: { type: "vxlan" },
    nodeId: null,
  })),
};

describe("wantedFirewall", () => {
  it("knows the tunnel and which peers are direct", () => {
    expect(wantedFirewall(facts).guard).toEqual({
      network: facts.network,
      ownSubnet: facts.ownSubnet,
      underlayInterface: "eth0",
      underlayPrefixes: [prefixOf("192.0.2.0/24")],
      isSourceChecked: true,
      tunnel: { port: 8472, deviceName: "flannel.1", isInKernel: true, isDirectRouting: true },
      peers: [
        { subnet: prefixOf("10.244.2.0/24"), underlayIp: addressOf("192.0.2.2"), isDirect: false },
        { subnet: prefixOf("10.244.3.0/24"), underlayIp: addressOf("192.0.2.3"), isDirect: true },
      ],
    });
  });

  it("knows that an engine of ours checks what it decapsulates", () => {
    const backend = { ...facts.backend, engineName: "native" as const };
    expect(wantedFirewall({ ...facts, backend }).guard?.tunnel?.isInKernel).toBe(false);
  });

  it("knows that no peer sends without encapsulation", () => {
    const backend = { ...facts.backend, isDirectRouting: false };
    expect(wantedFirewall({ ...facts, backend }).guard?.tunnel?.isDirectRouting).toBe(false);
  });

  it("has no tunnel where nothing is encapsulated", () => {
    const backend = { ...facts.backend, deviceName: null, encapsulationPort: null };
    expect(wantedFirewall({ ...facts, backend }).guard?.tunnel).toBeNull();
  });

  it("has no guard where nothing is carried, and flannel's rules all the same", () => {
    const backend = { ...facts.backend, carriesPackets: false };
    const { guard, rules } = wantedFirewall({ ...facts, backend });
    expect(guard).toBeNull();
    expect(rules).toEqual(wantedFirewall(facts).rules);
  });

  it.each([
    [facts.options, { isMasquerading: true, isForwarding: true, isFullyRandom: true }],
    [
      { ...facts.options, ipMasq: false, ipMasqFullyRandomDisable: true, iptablesForwardRules: false },
      { isMasquerading: false, isForwarding: false, isFullyRandom: false },
    ],
  ])("makes of the options %j the rules %j", (options, rules) => {
    expect(wantedFirewall({ ...facts, options }).rules).toMatchObject(rules);
  });
});
