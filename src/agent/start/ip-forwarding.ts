/** Whether this host passes on packets between its containers and the overlay. */
import { readFile } from "node:fs/promises";
import type { Logger } from "pino";

const IP_FORWARD = "/proc/sys/net/ipv4/ip_forward";

/** The kernel's switch for this network namespace; null when it cannot be read. */
export async function readIpForwarding(path = IP_FORWARD): Promise<boolean | null> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text.trim() === "" ? null : text.trim() !== "0";
}

/** One line when forwarding is off: the agent works then, and nothing arrives. Nothing is changed. */
export async function warnWithoutIpForwarding(log: Logger, path = IP_FORWARD): Promise<void> {
  if ((await readIpForwarding(path)) !== false) return;
  const facts = { sysctl: "net.ipv4.ip_forward=1" };
  log.warn(facts, "IPv4 forwarding is off on this host, containers will not reach other hosts");
}
