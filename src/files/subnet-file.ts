/**
 * The subnet file, `/run/flannel/subnet.env`: how Docker units, CNI plugins and the next start learn the
 * node's subnet. Names, order and values are flannel's.
 */
import { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";

export interface SubnetFileContent {
  /** The whole overlay network. */
  readonly network: Ipv4Prefix;
  /** This host's part of it. */
  readonly subnet: Ipv4Prefix;
  readonly overlayMtu: number;
  readonly ipMasq: boolean;
}

/** What the file tells its readers. */
export interface SubnetFile extends SubnetFileContent {
  /** The address that the file gives for the subnet: the bridge's, and the containers' default gateway. */
  readonly gateway: Ipv4Address;
}

/** The file's text. The subnet is given by its first host address, which a bridge takes. */
export function formatSubnetFile(content: SubnetFileContent): string {
  const { network, subnet } = content;
  return [
    `FLANNEL_NETWORK=${network.toString()}`,
    `FLANNEL_SUBNET=${subnet.address.plus(1).toString()}/${subnet.length}`,
    `FLANNEL_MTU=${content.overlayMtu}`,
    `FLANNEL_IPMASQ=${content.ipMasq ? "true" : "false"}`,
    "",
  ].join("\n");
}

/** Reads the text of a subnet file of twill or flannel, or gives null when a value is missing or unusable. */
export function parseSubnetFile(text: string): SubnetFile | null {
  const values = parseDotenv(text);
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

/**
 * The subnet that an earlier run of twill or flannel wrote, or null: `FLANNEL_SUBNET` must hold exactly one
 * readable CIDR among its comma-separated elements.
 */
export function parsePreviousSubnet(text: string): Ipv4Prefix | null {
  const value = parseDotenv(text).get("FLANNEL_SUBNET") ?? "";
  const subnets = value
    .split(",")
    .map((element) => Ipv4Prefix.parseContaining(element.trim()))
    .filter((subnet) => subnet !== null);
  const [only] = subnets;
  return subnets.length === 1 && only !== undefined && !only.address.equals(ANY_ADDRESS) ? only : null;
}

/** What flannel treats as "no subnet". */
const ANY_ADDRESS = new Ipv4Address(0);

const DOTENV_LINE = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*(?:=|:\s)\s*(.*?)\s*$/;
const QUOTED = /^(["'])(.*?)\1\s*(?:#.*)?$/;

/**
 * `KEY=value` lines as dotenv readers take them: quotes, `export`, `KEY: value` and `#` comments. Of a key
 * that comes twice the last counts; a line that is none of these is skipped.
 */
export function parseDotenv(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const match = DOTENV_LINE.exec(line);
    if (match?.[1] === undefined) continue;
    const raw = match[2] ?? "";
    const value = QUOTED.exec(raw)?.[2] ?? raw.replace(/(^|\s)#.*$/, "").trim();
    values.set(match[1], value);
  }
  return values;
}
