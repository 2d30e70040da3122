/** What flannel's own firewall rules follow from (`--ip-masq`, `--iptables-forward-rules`). */
import type { Ipv4Prefix } from "../../net/ipv4.ts";

export interface FlannelRules {
  /** The whole overlay range. */
  readonly network: Ipv4Prefix;
  /** This node's part of it. */
  readonly ownSubnet: Ipv4Prefix;
  /** Rules that masquerade what leaves the overlay (`--ip-masq`). */
  readonly isMasquerading: boolean;
  /** Rules that let the overlay's packets pass the FORWARD chain (`--iptables-forward-rules`). */
  readonly isForwarding: boolean;
  /** Source ports of masqueraded flows are chosen at random, where the kernel can (`--ip-masq-fully-random-disable`). */
  readonly isFullyRandom: boolean;
}
