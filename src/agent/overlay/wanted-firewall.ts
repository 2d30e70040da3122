/** Which firewall rules follow from options, lease and peers: a pure decision. */
import type { Backend, Underlay } from "../../backends/backend.ts";
import type { GuardRules } from "../../kernel/firewall/guard-rules.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import type { PeerSet } from "../../peers/peer.ts";
import type { AgentOptions } from "../options/agent-options.ts";
import type { FirewallWish } from "./firewall.ts";

export interface FirewallFacts {
  readonly options: Pick<
    AgentOptions,
    "ipMasq" | "ipMasqFullyRandomDisable" | "iptablesForwardRules" | "sourceCheck"
  >;
  readonly underlayPrefixes: readonly Ipv4Prefix[];
  readonly underlay: Underlay;
  readonly network: Ipv4Prefix;
  readonly ownSubnet: Ipv4Prefix;
  readonly backend: Pick<
    Backend,
    | "carriesPackets"
    | "deviceName"
    | "encapsulationPort"
    | "engineName"
    | "isDirectRouting"
    | "readDirectSubnets"
  >;
  readonly peers: PeerSet;
}

/** The rules of flannel, and the guard where the backend carries packets. */
export function wantedFirewall(facts: FirewallFacts): FirewallWish {
  const { options, network, ownSubnet, backend } = facts;
  return {
    rules: {
      network,
      ownSubnet,
      isMasquerading: options.ipMasq,
      isForwarding: options.iptablesForwardRules,
      isFullyRandom: !options.ipMasqFullyRandomDisable,
    },
    guard: backend.carriesPackets ? wantedGuard(facts) : null,
  };
}

function wantedGuard(facts: FirewallFacts): GuardRules {
  const { options, underlay, underlayPrefixes, network, ownSubnet, backend, peers } = facts;
  const { deviceName, engineName, encapsulationPort: port, isDirectRouting } = backend;
  const direct = new Set(backend.readDirectSubnets().map(String));
  return {
    network,
    ownSubnet,
    underlayInterface: underlay.interfaceName,
    underlayPrefixes,
    isSourceChecked: options.sourceCheck === "strict",
    tunnel:
      port === null || deviceName === null
        ? null
        : { port, deviceName, isInKernel: engineName === null, isDirectRouting },
    peers: peers.map(({ subnet, underlayIp }) => ({
      subnet,
      underlayIp,
      isDirect: direct.has(subnet.toString()),
    })),
  };
}
