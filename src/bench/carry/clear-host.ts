import type { LabHost } from "../../lab/host/lab-host.ts";

/** Of twill's devices and flannel's. */
const OVERLAY_DEVICE = /^flannel[0-9.]/;
/** Protocol of every route that an agent makes. */
const OWN_ROUTE_PROTOCOL = 84;

/**
 * Takes from a host what agents and flanneld leave there when they end, so that a row is measured on its own: their
 * devices, their routes, and every firewall rule; no rule of anybody else's is in a lab made for this.
 */
export async function clearHost(host: LabHost): Promise<void> {
  const links = JSON.parse(await host.execChecked(["ip", "-j", "link", "show"])) as { ifname: string }[];
  const devices = links.map(({ ifname }) => ifname).filter((name) => OVERLAY_DEVICE.test(name));
  await host.namespace.ip([
    ...devices.map((name) => `link del ${name}`),
    `route flush table all proto ${OWN_ROUTE_PROTOCOL}`,
  ]);
  await host.execChecked(["nft", "flush", "ruleset"]);
}
