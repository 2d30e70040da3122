/**
 * The configuration for the plugin that does the work, made of the user's and the subnet file. What is set, what is a
 * default and what is refused is as in flannel's plugin; `args` and `dns` of the network are passed on besides.
 */
import type { SubnetFileContent } from "../files/subnet-file.ts";
import { configInvalid, isJsonObject } from "./network-config.ts";
import type { JsonObject, NetworkConfig } from "./network-config.ts";
import { CNI_NAME } from "./plugin-request.ts";

/** A configuration of the delegate, with at least its name among the plugins. */
export type DelegateConfig = JsonObject & { readonly type: string };

const DEFAULT_DELEGATE = "bridge";
const DEFAULT_IPAM = "host-local";

/** What the delegate is told in an ADD. @throws {CniError} 7 */
export function planDelegate(config: NetworkConfig, subnet: SubnetFileContent): DelegateConfig {
  const wanted = config.delegate ?? {};
  const type = delegateType(config, wanted);
  for (const member of ["name", "ipam"]) {
    if (!Object.hasOwn(wanted, member)) continue;
    const place =
      member === "ipam" ? 'none there but an "ipam" beside "delegate"' : "none there, it is the network's";
    throw configInvalid(`delegate.${member}`, wanted[member], place);
  }
  return {
    ...present({ args: config.args, dns: config.dns }),
    ipMasq: !subnet.ipMasq, // once: by the agent or by the delegate
    mtu: subnet.overlayMtu,
    ...(type === DEFAULT_DELEGATE && { isGateway: true }),
    ...wanted,
    ...present({ cniVersion: config.cniVersion, runtimeConfig: config.runtimeConfig }),
    name: config.name,
    type,
    ipam: planIpam(config.ipam ?? {}, subnet),
  };
}

/** The stored configuration with the chain's result, as CHECK needs it and DEL may have it: both of one version. */
export function withPrevResult(delegate: DelegateConfig, config: NetworkConfig): DelegateConfig {
  const { prevResult, cniVersion } = config;
  return prevResult === undefined ? delegate : { ...delegate, ...present({ cniVersion }), prevResult };
}

/**
 * The result as the container's routing table has it: a route without a gateway goes by that of the address of its
 * family. `bridge` sets routes so but leaves its result as it is, and its CHECK then misses the route.
 */
export function withGateways(result: JsonObject): JsonObject {
  if (!Array.isArray(result.routes) || !Array.isArray(result.ips)) return result;
  const gateways = result.ips.map((ip: unknown) => (isJsonObject(ip) ? ip.gateway : undefined));
  const routes = result.routes.map((route: unknown) => {
    if (!isJsonObject(route) || typeof route.dst !== "string" || (route.gw ?? "") !== "") return route;
    const isOfFamily = (address: unknown): boolean =>
      typeof address === "string" && address.includes(":") === String(route.dst).includes(":");
    const gw = gateways.findLast(isOfFamily);
    return gw === undefined ? route : { ...route, gw };
  });
  return { ...result, routes };
}

/** The subnet that addresses were taken from, or null where it does not say. */
export function subnetOf(delegate: DelegateConfig): string | null {
  const ranges = isJsonObject(delegate.ipam) ? delegate.ipam.ranges : null;
  const first: unknown = Array.isArray(ranges) && Array.isArray(ranges[0]) ? ranges[0][0] : null;
  return isJsonObject(first) && typeof first.subnet === "string" ? first.subnet : null;
}

function planIpam(wanted: JsonObject, subnet: SubnetFileContent): JsonObject {
  return {
    type: DEFAULT_IPAM,
    ...wanted,
    ranges: [[{ subnet: subnet.subnet.toString() }]],
    routes: [...wantedRoutes(wanted), { dst: subnet.network.toString() }],
  };
}

function wantedRoutes({ routes }: JsonObject): readonly JsonObject[] {
  if (routes === undefined || routes === null) return [];
  if (Array.isArray(routes) && routes.every(isJsonObject)) return routes;
  throw configInvalid("ipam.routes", routes, 'a list of objects with "dst"');
}

function delegateType(config: NetworkConfig, wanted: JsonObject): string {
  const type = Object.hasOwn(wanted, "type") ? wanted.type : DEFAULT_DELEGATE;
  const need = 'the name of another plugin, as "bridge"';
  // It becomes a file's name; and delegating to ourselves would never end.
  if (typeof type === "string" && CNI_NAME.test(type) && type !== config.type) return type;
  throw configInvalid("delegate.type", type, need);
}

/** Without the members that are undefined, so that they do not hide what stands before. */
function present(members: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}
