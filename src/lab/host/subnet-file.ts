/** The subnet file, read as Docker's start-up scripts read it: `KEY=value` lines, keyed by name. */
import { Ipv4Address, Ipv4Prefix } from "../../net/ipv4.ts";

/** What an agent tells its host's containers. */
export interface SubnetFile {
  /** The whole overlay network. */
  readonly network: Ipv4Prefix;
  /** This host's part of it. */
  readonly subnet: Ipv4Prefix;
  /** First address of `subnet`: the bridge's, and the pods' default gateway. */
  readonly gateway: Ipv4Address;
  readonly overlayMtu: number;
  readonly ipMasq: boolean;
}

/** Reads the text of a subnet file, or gives null when a value is missing or unusable. */
export function parseSubnetFile(text: string): SubnetFile | null {
  const values = new Map<string, string>();
  for (const line of text.split("\n")) {
    const split = line.indexOf("=");
    if (split > 0) values.set(line.slice(0, split), line.slice(split + 1));
  }
  const network = Ipv4Prefix.parse(values.get("FLANNEL_NETWORK") ?? "");
  const subnetText = values.get("FLANNEL_SUBNET") ?? "";
  const subnet = Ipv4Prefix.parseContaining(subnetText);
  const gateway = Ipv4Address.parse(subnetText.split("/")[0] ?? "");
  const mtuText = values.get("FLANNEL_MTU") ?? "";
  if (network === null || subnet === null || gateway === null || !/^[1-9][0-9]{0,4}$/.test(mtuText))
    return null;
  return {
    network,
    subnet,
    gateway,
    overlayMtu: Number(mtuText),
    ipMasq: values.get("FLANNEL_IPMASQ") === "true",
  };
}
