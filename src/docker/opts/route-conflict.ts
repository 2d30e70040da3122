/** A route that would carry the bridge's packets elsewhere. */
import { Ipv4Address } from "../../net/ipv4.ts";

/**
 * The line of `ip -o -4 route show` that leads the subnet of `flannelSubnet` (`10.244.7.1/24`) through a gateway, or null.
 * The subnet is, as in flannel's script, the address before the bridge's with the same length. A value that is no
 * address has none.
 */
export function findRouteConflict(flannelSubnet: string, routes: string): string | null {
  const [addressText = "", length = ""] = flannelSubnet.split("/");
  const bridge = Ipv4Address.parse(addressText);
  if (bridge === null || bridge.value === 0) return null;
  const subnet = `${bridge.plus(-1).toString()}/${length}`;
  const line = routes.split("\n").find((route) => {
    const words = route.trim().split(/\s+/);
    return words[0] === subnet && words.includes("via");
  });
  return line?.trim() ?? null;
}
