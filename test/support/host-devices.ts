/** The devices of a host, loopback aside, as tests on the Docker plugin compare them. */
import type { HostNamespace } from "./libnetwork.ts";

/** The part of `ip -j link show` that tells a device from another that took its name. */
export interface HostDevice {
  readonly ifname: string;
  readonly ifindex: number;
  readonly ifalias: string | undefined;
  /** What it hangs on. */
  readonly master: string | undefined;
}

/** All of them, by name. */
export async function hostDevices(host: HostNamespace): Promise<HostDevice[]> {
  const links = JSON.parse(await host.ip(["-j", "link", "show"])) as HostDevice[];
  return links
    .filter(({ ifname }) => ifname !== "lo")
    .map(({ ifname, ifindex, ifalias, master }) => ({ ifname, ifindex, ifalias, master }))
    .sort((a, b) => (a.ifname < b.ifname ? -1 : 1));
}

/** Their names. */
export async function deviceNames(host: HostNamespace): Promise<string[]> {
  return (await hostDevices(host)).map(({ ifname }) => ifname);
}

/** Their names with what they hang on: `tw-0123456789ab`, `twh0123456789ab on tw-0123456789ab`. */
export async function devicesWithMasters(host: HostNamespace): Promise<string[]> {
  const devices = await hostDevices(host);
  return devices.map(({ ifname, master }) => (master === undefined ? ifname : `${ifname} on ${master}`));
}
