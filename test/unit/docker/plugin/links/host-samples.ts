/** Hosts of these tests, as a look at them finds them. */
import type { HostView } from "../../../../../src/docker/plugin/links/host-view.ts";
import type { Endpoint, PluginState } from "../../../../../src/docker/plugin/state/plugin-state.ts";
import type { InterfaceAddress } from "../../../../../src/kernel/addresses.ts";
import type { BatchCommand } from "../../../../../src/kernel/ip-batch.ts";
import type { Link } from "../../../../../src/kernel/links.ts";
import { addressOf } from "../../../../support/ipv4.ts";
import { macOf } from "../../../../support/mac.ts";
import { ENDPOINT_ID, NETWORK_ID, WITH_NETWORK } from "../samples.ts";

export const ENDPOINT: Endpoint = {
  id: ENDPOINT_ID,
  networkId: NETWORK_ID,
  address: addressOf("10.244.7.2"),
  mac: macOf("02:42:0a:f4:07:02"),
};
/** With a network and one container on it. */
export const STATE: PluginState = { ...WITH_NETWORK, endpoints: new Map([[ENDPOINT_ID, ENDPOINT]]) };
export const BRIDGE = "tw-a1a1a1a1a1a1";
export const PORT = "twhc3c3c3c3c3c3";
export const INNER = "twcc3c3c3c3c3c3";
export const BRIDGE_ALIAS = `twill-docker:0badcafe.d1d1:network:${NETWORK_ID}`;
export const PORT_ALIAS = `twill-docker:0badcafe.d1d1:endpoint:${ENDPOINT_ID}`;
export const BRIDGE_LINK: Partial<Link> = {
  index: 5,
  kind: "bridge",
  alias: BRIDGE_ALIAS,
  mac: macOf("02:42:0a:f4:07:01"),
};

/** Up and a veth, where `facts` say nothing else. */
export function linkOf(name: string, facts: Partial<Link>): Link {
  const common = { index: 9, mtu: 1472, isUp: true, isLoopback: false, operState: "UP" };
  return { ...common, mac: null, alias: null, kind: "veth", name, ...facts };
}

/** @param text with its prefix length */
export function addressAt(interfaceName: string, interfaceIndex: number, text: string): InterfaceAddress {
  const [address = "", length] = text.split("/");
  const flags = { scope: "global", isDeprecated: false, isDynamic: false, isSecondary: false };
  return {
    interfaceName,
    interfaceIndex,
    address: addressOf(address),
    prefixLength: Number(length),
    ...flags,
  };
}

export function hostWith(
  links: readonly Link[],
  addresses: readonly InterfaceAddress[] = [],
  masters: readonly (readonly [string, string])[] = [],
): HostView {
  return {
    links: new Map(links.map((link) => [link.name, link])),
    addresses,
    masters: new Map(masters),
    partners: new Map(),
    ipv6Devices: new Set(),
    runningInstances: new Set(),
  };
}

/** As the plugin leaves it with {@link STATE}. */
export const WHOLE = hostWith(
  [linkOf(BRIDGE, BRIDGE_LINK), linkOf(PORT, { alias: PORT_ALIAS })],
  [addressAt(BRIDGE, 5, "10.244.7.1/24")],
  [[PORT, BRIDGE]],
);

export function lines(commands: readonly BatchCommand[]): string[] {
  return commands.map((words) => words.join(" "));
}
