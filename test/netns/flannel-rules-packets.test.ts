import { describe, expect, it } from "vitest";
import { FlannelRulesHost } from "../support/flannel-rules-host.ts";
import { NetworkNamespace } from "../support/network-namespace.ts";

const KINDS = ["iptables-nft", "iptables-legacy", "nft"] as const;

/** kube-proxy's bit, and one that is not its. */
const MARK_AND_ANOTHER = "16385"; // 0x4001
const OTHER_MARK = "32769"; // 0x8001

/*  pod 10.244.1.2 -- 10.244.1.1 pod1 [host] eth0 198.51.100.1 -- outside 198.51.100.2
 *                       10.244.1.0 flannel.1 [host] -- remote container 10.244.2.2, as if through the overlay
 */
class Hosts implements AsyncDisposable {
  readonly host: FlannelRulesHost;
  readonly pod: NetworkNamespace;
  readonly remote: NetworkNamespace;
  readonly outside: NetworkNamespace;

  private constructor(
    host: FlannelRulesHost,
    others: readonly [NetworkNamespace, NetworkNamespace, NetworkNamespace],
  ) {
    this.host = host;
    [this.pod, this.remote, this.outside] = others;
  }

  static async create(): Promise<Hosts> {
    const make = (): Promise<NetworkNamespace> => NetworkNamespace.create();
    const hosts = new Hosts(await FlannelRulesHost.create(), [await make(), await make(), await make()]);
    await hosts.host.sh("sysctl -q -w net.ipv4.ip_forward=1");
    await hosts.#connect(hosts.pod, "pod1", "10.244.1.1/24", ["10.244.1.2/24", "10.244.1.1"]);
    await hosts.#connect(hosts.remote, "flannel.1", "10.244.1.0/32", ["10.244.2.2/32", "10.244.1.0"]);
    await hosts.#connect(hosts.outside, "eth0", "198.51.100.1/24", ["198.51.100.2/24", "198.51.100.1"]);
    await hosts.host.sh("ip route add 10.244.2.0/24 dev flannel.1", "ip route add 224.0.0.0/4 dev eth0");
    return hosts;
  }

  async #connect(
    other: NetworkNamespace,
    device: string,
    address: string,
    [otherAddress, gateway]: readonly [string, string],
  ): Promise<void> {
    const where = other.command([])[1][0]?.replace("--net=", "") ?? "";
    await this.host.sh(
      `ip link add ${device} type veth peer name eth0 netns ${where}`,
      `ip addr add ${address} dev ${device}`,
      `ip link set ${device} up`,
    );
    const there = [
      `ip addr add ${otherAddress} dev eth0`,
      "ip link set eth0 up",
      `ip route add default via ${gateway} dev eth0 onlink`,
      "sysctl -q -w net.ipv4.icmp_echo_ignore_broadcasts=0",
      "nft 'add table ip seen; add set ip seen sources { type ipv4_addr; flags dynamic; }'",
      "nft 'add chain ip seen in { type filter hook prerouting priority -300; }'",
      "nft 'add rule ip seen in icmp type echo-request add @sources { ip saddr }'",
    ];
    await other.run("sh", ["-e", "-c", there.join("\n")]);
  }

  /** Source addresses of the echo requests that have come to `at`. */
  async sourcesSeen(at: NetworkNamespace): Promise<string[]> {
    const listing = await at.run("nft", ["list", "set", "ip", "seen", "sources"]);
    return /elements = \{(.*)\}/.exec(listing)?.[1]?.trim().split(", ") ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const namespace of [this.pod, this.remote, this.outside]) await namespace[Symbol.asyncDispose]();
    await this.host[Symbol.asyncDispose]();
  }
}

type Place = "host" | "pod" | "remote" | "outside";

/** Waits for an answer, and sends another request when one is late. */
const UNTIL_ANSWERED = ["-w", "10"];
/** Sends one request, and hardly waits. */
const NO_ANSWER = ["-W", "0.2"];

/** Sends an echo request; resolves with the number of answers. */
async function ping(
  hosts: Hosts,
  from: Place,
  args: readonly string[],
  wait: readonly string[] = UNTIL_ANSWERED,
): Promise<number> {
  const namespace = from === "host" ? hosts.host.namespace : hosts[from];
  const command = ["ping", "-n", "-c", "1", ...wait, ...args].join(" ");
  const output = await namespace.run("sh", ["-c", `${command} || test $? = 1`]); // 1: no answer
  return Number(/(\d+) received/.exec(output)?.[1]);
}

describe.each(KINDS)("masquerading by %s", (kind) => {
  it.each([
    ["own pod to outside", "pod", ["198.51.100.2"], "outside", "198.51.100.1"],
    ["own pod to a remote container", "pod", ["10.244.2.2"], "remote", "10.244.1.2"],
    ["remote container to own pod", "remote", ["10.244.1.2"], "pod", "10.244.2.2"],
    ["remote container to outside", "remote", ["198.51.100.2"], "outside", "198.51.100.1"],
    ["outside to own pod", "outside", ["10.244.1.2"], "pod", "198.51.100.2"],
    ["outside to a remote container", "outside", ["10.244.2.2"], "remote", "10.244.1.0"],
    ["host to a remote container", "host", ["-I", "198.51.100.1", "10.244.2.2"], "remote", "10.244.1.0"],
    [
      "host's overlay address to outside",
      "host",
      ["-I", "10.244.1.1", "198.51.100.2"],
      "outside",
      "198.51.100.1",
    ],
    [
      "the same with kube-proxy's mark and another bit",
      "host",
      ["-I", "10.244.1.1", "-m", MARK_AND_ANOTHER, "198.51.100.2"],
      "outside",
      "10.244.1.1",
    ],
    [
      "the same with another mark",
      "host",
      ["-I", "10.244.1.1", "-m", OTHER_MARK, "198.51.100.2"],
      "outside",
      "198.51.100.1",
    ],
    [
      "the same to multicast",
      "host",
      ["-I", "eth0", "-I", "10.244.1.1", "224.0.0.1"],
      "outside",
      "10.244.1.1",
    ],
  ] as const)("%s: %s pings %j, %s sees %s", async (_what, from, args, at, source) => {
    await using hosts = await Hosts.create();
    await hosts.host.keep(kind);

    expect(await ping(hosts, from, args)).toBe(1);

    expect(await hosts.sourcesSeen(hosts[at])).toEqual([source]);
  });
});

describe.each(["iptables-nft", "iptables-legacy"] as const)("forwarding by %s beside Docker", (kind) => {
  it("lets the overlay pass where Docker drops, except for what DOCKER-USER drops", async () => {
    await using hosts = await Hosts.create();
    await hosts.host.runDocker(kind);
    expect(await ping(hosts, "pod", ["10.244.2.2"], NO_ANSWER)).toBe(0);

    await hosts.host.keep("selected iptables");
    expect(await ping(hosts, "pod", ["10.244.2.2"])).toBe(1);
    expect(await ping(hosts, "remote", ["10.244.1.2"])).toBe(1);

    await hosts.host.sh(`${kind} -I DOCKER-USER -s 10.244.1.2 -d 10.244.2.2 -j DROP`);
    expect(await ping(hosts, "pod", ["10.244.2.2"], NO_ANSWER)).toBe(0);
    expect(await hosts.host.sh(`${kind} -nvxL DOCKER-USER 1`)).toMatch(/^\s*1\s+84\s+DROP/);
    expect(await ping(hosts, "pod", ["198.51.100.2"])).toBe(1);

    expect(await hosts.host.keep("selected iptables")).toBe(0);
    // Rules that were made anew would have counted nothing.
    expect(await hosts.host.sh(`${kind} -nvxL FLANNEL-FWD 1`)).toMatch(/^\s*[1-9]/);
    expect(await hosts.host.sh(`${kind} -S FORWARD`)).toMatch(
      /^-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n/,
    );
  });
});
