/*  pod 10.244.1.2 -- [h1 flannel.1 10.244.1.0/32] eth0 192.0.2.1 --[br0]-- eth0 192.0.2.2 [h2 flannel.1] -- pod 10.244.2.2  */
import { describe, expect, it } from "vitest";
import { runIperf, startIperfServer } from "../../src/lab/measure/iperf.ts";
import { Namespace } from "../../src/lab/machine/namespace.ts";
import { connectHost } from "../../src/lab/machine/underlay.ts";
import { startPing } from "../../src/lab/measure/ping.ts";
import type { BackendData, JsonValue } from "../../src/subnet-lease/lease.ts";
import { BackendNetwork, ping } from "../support/backend-hosts.ts";
import type { BackendHost, BackendProcess } from "../support/backend-hosts.ts";
import type { GivenPeer } from "../support/backend-child.ts";

const KERNEL_VXLAN = { type: "vxlan", carrier: "kernel" } as const;
const BLACKHOLE = "blackhole 10.244.0.0/16 proto 84 metric 4278198272";
/** Addresses of other hosts' pods. */
const [POD2, POD3] = ["10.244.2.2", "10.244.3.2"];
/** For requests that nobody will answer. */
const NO_ANSWER = { isAnswered: false };
/** MAC of a device that somebody made before us. */
const HAND_MADE_MAC = "5e:12:34:56:78:9a";
/** As flannel 6.1 has it, made by hand. */
const HAND_MADE = `link add flannel.1 address ${HAND_MADE_MAC} mtu 1450 txqueuelen 0 type vxlan id 1 dev eth0 local 192.0.2.1 dstport 8472 nolearning`;

/** Four times at each step. */
const KILLS = 20;

type Options = Parameters<BackendHost["startBackend"]>[0];

/** A host that carries by the kernel's vxlan. */
interface Node {
  readonly host: BackendHost;
  readonly backend: BackendProcess;
  /** What its lease says. */
  readonly data: BackendData;
}

async function openNode(
  host: BackendHost,
  config: Readonly<Record<string, JsonValue>> = {},
  options: Options = {},
): Promise<Node> {
  const backend = await host.startBackend({ ...KERNEL_VXLAN, config, ...options });
  const data = (await backend.ask({ do: "advertise" })) as BackendData;
  await backend.ask({ do: "open", subnet: host.subnet });
  return { host, backend, data };
}

/** The nodes as peers. */
function peersOf(nodes: readonly Node[]): GivenPeer[] {
  return nodes.map(({ host: { subnet, underlayIp }, data }) => ({ subnet, underlayIp, backend: data }));
}

/** Tells each of the nodes of the others. */
async function introduce(...nodes: readonly Node[]): Promise<void> {
  for (const node of nodes) {
    await node.backend.ask({ do: "sync", peers: peersOf(nodes.filter((other) => other !== node)) });
  }
}

function macOf({ data }: Node): string {
  return (data.data as { VtepMAC: string }).VtepMAC;
}

/** What `ip` and `bridge` print of flannel.1 and of the main table, without the host's own routes. */
interface Shown {
  readonly link: string;
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
  readonly neighbours: readonly string[];
  readonly fdb: readonly string[];
}

async function show({ namespace }: BackendHost, device = "flannel.1"): Promise<Shown> {
  const lines = async (command: string): Promise<string[]> =>
    (await namespace.execChecked(command.split(" ")))
      .split("\n")
      .map((line) => line.replace(/\\/g, " ").replace(/\s+/g, " ").trim())
      .filter((line) => line !== "");
  const [link = ""] = await lines(`ip -o -d link show dev ${device}`);
  const addresses = await lines(`ip -o address show dev ${device}`);
  const routes = await lines("ip -4 route show");
  return {
    link,
    addresses: addresses.map((line) => /(inet6? \S+ (brd \S+ )?scope \S+)/.exec(line)?.[1] ?? line),
    routes: routes.filter((line) => !/ dev pod1 | proto kernel |^default /.test(line)),
    neighbours: (await lines(`ip neigh show dev ${device}`)).sort(),
    fdb: (await lines(`bridge fdb show dev ${device}`)).sort(),
  };
}

/** The same but for the index, which a device that was made anew has another of. */
function withoutIndex(shown: Shown): Shown {
  return { ...shown, link: shown.link.replace(/^\d+/, "N") };
}

/** What each peer has on h1. */
function objectsOf(node: Node): { route: string; neighbour: string; fdb: string } {
  const base = node.host.subnet.replace("/24", "");
  return {
    route: `${node.host.subnet} via ${base} dev flannel.1 proto 84 onlink`,
    neighbour: `${base} lladdr ${macOf(node)} PERMANENT`,
    fdb: `${macOf(node)} dst ${node.host.underlayIp} self permanent`,
  };
}

async function audit(node: Node): Promise<number> {
  return (await node.backend.ask({ do: "audit" })) as number;
}

async function answers(node: Node, target = POD2): Promise<number> {
  return (await ping(node.host.pod, target)).received;
}

/** Two or three hosts that know each other, each audited once, as an agent does. */
async function openPair(network: BackendNetwork): Promise<[Node, Node]> {
  const [a, b] = [await openNode(network.host(1)), await openNode(network.host(2))];
  await introduce(a, b);
  expect([await audit(a), await audit(b)]).toEqual([0, 0]);
  return [a, b];
}

describe("advertise of the kernel's vxlan", () => {
  it("gives flannel's form with a MAC of its own, again after a restart, and leaves the host as it was", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const links = (): Promise<string> => h1.namespace.execChecked(["ip", "-o", "link", "show"]);
    const before = [await h1.show(), await links()];
    const advertise = async (): Promise<unknown> =>
      (await h1.startBackend(KERNEL_VXLAN)).ask({ do: "advertise" });

    const data = await advertise();

    expect(data).toEqual({
      type: "vxlan",
      data: { VNI: 1, VtepMAC: expect.stringMatching(/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/) as unknown },
    });
    expect(await advertise()).toEqual(data);
    expect([await h1.show(), await links()]).toEqual(before);
  });

  it.each([
    ["while an agent is attached to a TUN of that name", 1, "ERR_TUN_BUSY", "another process is attached"],
    ["while an agent has the UDP port", 2, "ERR_KERNEL_FAILED", "Address already in use"],
  ])("fails where open would, before anything is leased, %s", async (_when, VNI, code, reason) => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await h1.openBackend({ type: "vxlan", carrier: "user", config: { VNI } });
    const before = await h1.show();
    const backend = await h1.startBackend(KERNEL_VXLAN);

    const message: unknown = expect.stringContaining(reason);
    await expect(backend.ask({ do: "advertise" })).rejects.toMatchObject({ code, message });

    expect(await h1.show()).toEqual(before);
    await expect(h1.interfaceIndex("twill-probe")).rejects.toThrow("does not exist");
  });

  it.each([
    ["of a compatible device that stands", HAND_MADE, HAND_MADE_MAC],
    ["that is its own where a device cannot be kept", HAND_MADE.replace("8472", "4789"), null],
  ])("gives the MAC %s", async (_which, line, mac) => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await h1.ip(line);

    const node = await openNode(h1);

    const shown = (await show(h1)).link;
    expect(shown).toContain(`link/ether ${macOf(node)} `);
    expect(macOf(node) === HAND_MADE_MAC).toBe(mac !== null);
  });
});

describe("open and sync of the kernel's vxlan", () => {
  it.each([
    ["", false],
    [", also where /proc/sys is read-only", true],
  ])("make what flannel makes, and no IPv6 on it%s", async (_where, hasReadOnlySysctls) => {
    await using network = await BackendNetwork.create(3);
    const h1 = network.host(1);
    await h1.namespace.sysctl(["net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0"]);
    const node = await openNode(h1, {}, { hasReadOnlySysctls });
    const others = [await openNode(network.host(2)), await openNode(network.host(3))];

    await introduce(node, ...others);

    const objects = others.map(objectsOf);
    const flags = "<BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UNKNOWN";
    expect(await show(h1)).toEqual({
      link: expect.stringMatching(
        new RegExp(
          `^\\d+: flannel\\.1: ${flags} .*link/ether ${macOf(node)} .* vxlan id 1 local 192\\.0\\.2\\.1 dev eth0 ` +
            "srcport 0 0 dstport 8472 nolearning ttl auto ageing 300 .* alias twill$",
        ),
      ) as unknown,
      addresses: ["inet 10.244.1.0/32 scope global"],
      routes: [BLACKHOLE, ...objects.map(({ route }) => route)].sort(byPrefix),
      neighbours: objects.map(({ neighbour }) => neighbour).sort(),
      fdb: objects.map(({ fdb }) => fdb).sort(),
    });
    expect(await audit(node)).toBe(0);
  });

  it("apply every option of the network config that the device has", async () => {
    await using network = await BackendNetwork.create(2);
    const config = { VNI: 4097, Port: 4789, MTU: 1400, Learning: true, GBP: true };
    const [a, b] = [await openNode(network.host(1), config), await openNode(network.host(2), config)];
    await introduce(a, b);

    const { link } = await show(a.host, "flannel.4097");
    expect(link).toMatch(
      / mtu 1350 .* vxlan id 4097 local 192\.0\.2\.1 dev eth0 srcport 0 0 dstport 4789 ttl auto /,
    );
    expect(link).toMatch(/ gbp /);
    expect(link).not.toContain("nolearning");
    expect(await answers(a)).toBeGreaterThanOrEqual(3);
  });

  it("carry a packet of exactly the overlay MTU, name the MTU for one byte more, and TCP both ways", async () => {
    await using network = await BackendNetwork.create(2);
    const [a, b] = await openPair(network);

    expect((await ping(a.host.pod, POD2, { bytes: 1450 })).received).toBeGreaterThanOrEqual(3);
    const tooLong = await ping(a.host.pod, POD2, { ...NO_ANSWER, bytes: 1451 });
    expect(tooLong.received).toBe(0);
    expect(tooLong.output).toContain("Frag needed and DF set (mtu = 1450)");

    const server = await startIperfServer(b.host.pod);
    for (const isReverse of [false, true]) {
      const { receivedBytes } = await runIperf(a.host.pod, POD2, { isReverse });
      expect(receivedBytes).toBeGreaterThan(1_000_000);
    }
    await server.stop();
    expect(await network.leaks()).toBe(0);
  });

  it("send to a peer at its new MAC and address at once, and leave nothing of the old ones", async () => {
    await using network = await BackendNetwork.create(3);
    const [a, old] = await openPair(network);
    await old.backend.kill();
    await old.host.ip("link del pod1"); // the subnet goes to another machine, which has another MAC and address
    const h3 = network.host(3);
    const moved = await openNode(h3, {});
    await moved.backend.ask({ do: "close" });
    await moved.backend.ask({ do: "open", subnet: old.host.subnet });
    await h3.ip("address add 10.244.2.2/32 dev lo");
    await moved.backend.ask({ do: "sync", peers: peersOf([a]) });

    const peer = { subnet: old.host.subnet, underlayIp: h3.underlayIp, backend: moved.data };
    await a.backend.ask({ do: "sync", peers: [peer] });

    expect(await answers(a)).toBeGreaterThanOrEqual(3);
    const { neighbours, fdb } = await show(a.host);
    expect(neighbours).toEqual([`10.244.2.0 lladdr ${macOf(moved)} PERMANENT`]);
    expect(fdb).toEqual([`${macOf(moved)} dst 192.0.2.3 self permanent`]);
    expect(await audit(a)).toBe(0);
  });

  it("remove every object of a peer that is gone, and its packets go nowhere", async () => {
    await using network = await BackendNetwork.create(2);
    const [a] = await openPair(network);

    await a.backend.ask({ do: "sync", peers: [] });

    expect(await show(a.host)).toMatchObject({ routes: [BLACKHOLE], neighbours: [], fdb: [] });
    expect((await ping(a.host.pod, POD2, NO_ANSWER)).received).toBe(0);
    expect(await network.leaks()).toBe(0);
  });

  it("leave somebody else's route to a peer's subnet, say so once, and take the place when he is gone", async () => {
    await using network = await BackendNetwork.create(3);
    const h1 = network.host(1);
    const foreign = "10.244.2.0/24 via 192.0.2.254 dev eth0 proto static";
    await h1.ip(`route add ${foreign}`);
    const nodes = [
      await openNode(h1),
      await openNode(network.host(2)),
      await openNode(network.host(3)),
    ] as const;

    await introduce(...nodes);
    await audit(nodes[0]);
    await audit(nodes[0]);

    const own = objectsOf(nodes[2]).route;
    expect((await show(h1)).routes).toEqual([BLACKHOLE, foreign, own].sort(byPrefix));
    expect(await answers(nodes[0], POD3)).toBeGreaterThanOrEqual(3);
    expect(await nodes[0].backend.warnings()).toHaveLength(1);

    await h1.ip(`route del ${foreign}`);
    expect(await audit(nodes[0])).toBeGreaterThan(0);
    expect(await answers(nodes[0])).toBeGreaterThanOrEqual(3);
  });
});

describe("a device that stands before open", () => {
  it("is adopted from a flannel daemon with its MAC, its wanted routes get our mark, its stale ones go, and no packet is lost", async () => {
    await using network = await BackendNetwork.create(2);
    const [h1, h2] = [network.host(1), network.host(2)];
    const other = await openNode(h2);
    const mac = macOf(other);
    await h1.ip(
      HAND_MADE,
      "address add 10.244.1.0/32 dev flannel.1",
      "address add 10.244.77.0/32 dev flannel.1",
      "address add 198.51.100.1/32 dev flannel.1",
      "link set flannel.1 up",
      `neigh add 10.244.2.0 lladdr ${mac} dev flannel.1 nud permanent`,
      "neigh add 10.244.9.0 lladdr 5e:00:00:00:00:09 dev flannel.1 nud permanent",
      "route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink",
      "route add 10.244.9.0/24 via 10.244.9.0 dev flannel.1 onlink",
    );
    for (const entry of [
      `${mac} dev flannel.1 dst 192.0.2.2`,
      "5e:00:00:00:00:09 dev flannel.1 dst 192.0.2.9",
    ]) {
      await h1.namespace.execChecked(`bridge fdb add ${entry} self permanent`.split(" "));
    }
    const index = await h1.interfaceIndex("flannel.1");
    const data = { VNI: 1, VtepMAC: HAND_MADE_MAC };
    const asFlannel = { subnet: h1.subnet, underlayIp: h1.underlayIp, backend: { type: "vxlan", data } };
    await other.backend.ask({ do: "sync", peers: [asFlannel] });
    const probe = startPing(h1.pod, POD2, { intervalMs: 10 });
    await probe.waitForAnswers(5, 5_000);

    const node = await openNode(h1);
    await introduce(node, other);
    await audit(node);
    await probe.waitForAnswers(5, 5_000);

    expect((await probe.stop()).lost).toBe(0);
    expect(macOf(node)).toBe(HAND_MADE_MAC);
    expect(await h1.interfaceIndex("flannel.1")).toBe(index);
    const objects = objectsOf(other);
    expect(await show(h1)).toMatchObject({
      addresses: ["inet 10.244.1.0/32 scope global", "inet 198.51.100.1/32 scope global"],
      routes: [BLACKHOLE, objects.route].sort(byPrefix),
      neighbours: [objects.neighbour],
      fdb: [objects.fdb],
    });
  });

  it("keeps what carries packets until the first audit after a sync", async () => {
    await using network = await BackendNetwork.create(2);
    const [a] = await openPair(network);
    await a.backend.kill();
    const before = await show(a.host);

    const again = await openNode(a.host);
    expect(await audit(again)).toBe(0);
    expect(await show(a.host)).toEqual(before);

    await again.backend.ask({ do: "sync", peers: [] });
    await audit(again);
    expect(await show(a.host)).toMatchObject({ routes: [BLACKHOLE], neighbours: [], fdb: [] });
  });

  it.each([
    ["of another port", HAND_MADE.replace("8472", "4789")],
    ["of another VNI", HAND_MADE.replace("id 1", "id 7")],
    ["that has a group", `${HAND_MADE} remote 192.0.2.9`],
    [
      "that is down, with another MTU, learning, from another address",
      HAND_MADE.replace("1450", "1300").replace("nolearning", "").replace("192.0.2.1", "192.0.2.99"),
    ],
    ["that is a TUN of the user-space data path", "tuntap add dev flannel.1 mode tun"],
    ["that is a TUN of several queues", "tuntap add dev flannel.1 mode tun multi_queue"],
  ])("is made right when it is one %s", async (_what, line) => {
    await using network = await BackendNetwork.create(2);
    const h1 = network.host(1);
    await h1.ip(line);

    const [a] = await openPair(network);

    expect((await show(h1)).link).toMatch(
      / mtu 1450 .* vxlan id 1 local 192\.0\.2\.1 dev eth0 srcport 0 0 dstport 8472 nolearning /,
    );
    expect(await answers(a)).toBeGreaterThanOrEqual(3);
  });

  it("is left and named when it is of a kind that is nobody's overlay", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await h1.ip("link add flannel.1 type bridge");
    const before = await h1.show();
    const backend = await h1.startBackend(KERNEL_VXLAN);

    await expect(backend.ask({ do: "open", subnet: h1.subnet })).rejects.toMatchObject({
      code: "ERR_KERNEL_FAILED",
      message:
        "Cannot make vxlan device flannel.1: a device of that name exists whose kind is bridge, remove it",
    });

    expect(await h1.show()).toEqual(before);
  });

  it("is left when a process is attached to it, and that process goes on", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await h1.openBackend({ type: "vxlan", carrier: "user" });
    const before = await h1.show();
    const backend = await h1.startBackend(KERNEL_VXLAN);

    await expect(backend.ask({ do: "open", subnet: h1.subnet })).rejects.toMatchObject({
      code: "ERR_TUN_BUSY",
      message:
        "Cannot make vxlan device flannel.1: another process is attached to a TUN of that name, stop the twill agent that runs here",
    });

    expect(await h1.show()).toEqual(before);
  });

  it("leaves nothing of ours when the kernel refuses another one of that VNI", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await h1.ip(HAND_MADE.replace("flannel.1", "other0"));
    const before = await h1.show();
    const backend = await h1.startBackend(KERNEL_VXLAN);

    await expect(backend.ask({ do: "open", subnet: h1.subnet })).rejects.toMatchObject({
      code: "ERR_KERNEL_FAILED",
      message: expect.stringContaining("A VXLAN device with the specified VNI already exists") as unknown,
    });

    expect(await h1.show()).toEqual(before);
  });
});

describe("remains of an earlier run", () => {
  it("of the udp backend and of another network go at the first audit after a sync, foreign ones stay", async () => {
    await using network = await BackendNetwork.create(2);
    const h1 = network.host(1);
    await (await h1.openBackend()).kill(); // flannel0 with its route to the network
    const former = await h1.startBackend({ ...KERNEL_VXLAN, network: "10.99.0.0/16" });
    await former.ask({ do: "open", subnet: "10.99.4.0/24" });
    await former.kill();
    const foreign = "blackhole 10.99.8.0/24 proto static";
    await h1.ip(`route add ${foreign}`);

    const a = await openNode(h1, {}, { formerNetwork: "10.99.0.0/16" });
    const b = await openNode(network.host(2));
    await introduce(a, b);
    await audit(a);

    expect(await show(h1)).toMatchObject({
      addresses: ["inet 10.244.1.0/32 scope global"],
      routes: [foreign, BLACKHOLE, objectsOf(b).route].sort(byPrefix),
    });
    await expect(h1.interfaceIndex("flannel0")).rejects.toThrow("does not exist");
    expect(await audit(a)).toBe(0);
    expect(await answers(a)).toBeGreaterThanOrEqual(3);
  });
});

describe("kill -9 of the kernel's vxlan", () => {
  it("loses no packet, however often and whenever it is killed and started again", async () => {
    await using network = await BackendNetwork.create(2);
    const [a, b] = await openPair(network);
    const before = await show(a.host);
    const probe = startPing(a.host.pod, POD2, { intervalMs: 10 });
    await a.backend.kill();

    for (let round = 0; round < KILLS; round++) {
      const backend = await a.host.startBackend(KERNEL_VXLAN);
      await probe.waitForAnswers(1, 5_000);
      const steps = [
        { do: "advertise" },
        { do: "open", subnet: a.host.subnet },
        { do: "sync", peers: peersOf([b]) },
        { do: "audit" },
      ] as const;
      // Every round but the fifth is killed in the middle of the next step.
      const done = round % (steps.length + 1);
      for (const step of steps.slice(0, done)) await backend.ask(step);
      const last = steps[done];
      const cut = last === undefined ? null : backend.ask(last).catch(() => null);
      await backend.kill();
      await cut;
    }

    const { sent, lost } = await probe.stop();
    expect(lost).toBe(0);
    expect(sent).toBeGreaterThan(KILLS);
    expect(await show(a.host)).toEqual(before);
  });
});

describe("audit of the kernel's vxlan", () => {
  it.each([
    ["the device is deleted", "link del flannel.1"],
    ["the device is set down", "link set flannel.1 down"],
    ["the MAC is changed", "link set flannel.1 address 5e:00:00:00:00:01"],
    ["the MTU is changed", "link set flannel.1 mtu 1300"],
    ["the alias is changed", "link set flannel.1 alias other"],
    ["learning is switched on", "link set flannel.1 type vxlan id 1 learning"],
    ["the local address is changed", "link set flannel.1 type vxlan id 1 dev eth0 local 192.0.2.77"],
    ["the address is removed", "address del 10.244.1.0/32 dev flannel.1"],
    ["an address of the network is added", "address add 10.244.66.0/32 dev flannel.1"],
    ["the routes are flushed", "route flush proto 84"],
    ["the blackhole is deleted", "route del blackhole 10.244.0.0/16"],
    [
      "a route is made our own but for the gateway",
      "route replace 10.244.2.0/24 via 10.244.2.9 dev flannel.1 onlink proto 84",
    ],
    ["the neighbour entries are flushed", "neigh flush dev flannel.1 nud permanent"],
    [
      "a neighbour entry is changed",
      "neigh replace 10.244.2.0 lladdr 5e:00:00:00:00:02 dev flannel.1 nud permanent",
    ],
    ["the device is another one of that name", "link del flannel.1\ntuntap add dev flannel.1 mode tun"],
  ])("puts everything back, with the same MAC, when %s", async (_what, damage) => {
    await using network = await BackendNetwork.create(2);
    const [a] = await openPair(network);
    const before = withoutIndex(await show(a.host));

    await a.host.ip(...damage.split("\n"));
    expect(await audit(a)).toBeGreaterThan(0);

    expect(withoutIndex(await show(a.host))).toEqual(before);
    expect(await audit(a)).toBe(0);
    expect(await answers(a)).toBeGreaterThanOrEqual(3);
    expect((await a.backend.warnings()).length).toBeGreaterThan(0);
    expect(await network.leaks()).toBe(0);
  });

  it.each([
    ["are deleted", (mac: string) => `del ${mac} dev flannel.1 dst 192.0.2.2 self permanent`],
    ["lead elsewhere", (mac: string) => `replace ${mac} dev flannel.1 dst 192.0.2.9 self permanent`],
    ["are more than wanted", () => "add 5e:00:00:00:00:09 dev flannel.1 dst 192.0.2.9 self permanent"],
  ])("puts the FDB entries back that %s", async (_what, damage) => {
    await using network = await BackendNetwork.create(2);
    const [a, b] = await openPair(network);
    const before = await show(a.host);

    await a.host.namespace.execChecked(["bridge", "fdb", ...damage(macOf(b)).split(" ")]);
    expect(await audit(a)).toBeGreaterThan(0);

    expect(await show(a.host)).toEqual(before);
    expect(await audit(a)).toBe(0);
    expect(await answers(a)).toBeGreaterThanOrEqual(3);
  });

  it("makes the device again when the underlay's is back, which took it along", async () => {
    await using network = await BackendNetwork.create(2);
    const [a] = await openPair(network);
    const { namespace, underlayIp } = a.host;
    const before = withoutIndex(await show(a.host));

    await a.host.ip("link del eth0");
    await expect(audit(a)).rejects.toMatchObject({
      code: "ERR_KERNEL_FAILED",
      message: expect.stringContaining('Cannot find device "eth0"') as unknown,
    });
    expect((await show(a.host, "lo")).routes).toEqual([BLACKHOLE]);

    const underlay = new Namespace(namespace.name.replace(/h1$/, "net"), "");
    await connectHost(underlay, namespace, { name: "h1", address: underlayIp, mtu: 1500 });
    expect(await audit(a)).toBeGreaterThan(0);

    expect(withoutIndex(await show(a.host))).toEqual(before);
    expect(await audit(a)).toBe(0);
    expect(await answers(a)).toBeGreaterThanOrEqual(3);
    expect(await network.leaks()).toBe(0);
  });

  it("is not needed for a deleted device when a sync comes first", async () => {
    await using network = await BackendNetwork.create(3);
    const [a, b] = await openPair(network);
    const c = await openNode(network.host(3));
    await c.backend.ask({ do: "sync", peers: peersOf([a]) });
    await a.host.ip("link del flannel.1");

    await a.backend.ask({ do: "sync", peers: peersOf([b, c]) });

    expect((await show(a.host)).link).toContain(`link/ether ${macOf(a)} `);
    expect([await answers(a), await answers(a, POD3)].every((count) => count >= 3)).toBe(true);
    expect(await audit(a)).toBe(0);
  });

  it("switches IPv6 off again", async () => {
    await using network = await BackendNetwork.create(2);
    const [a] = await openPair(network);
    const silence = async (): Promise<string[]> => {
      const files = ["accept_ra", "disable_ipv6"].map((name) => `/proc/sys/net/ipv6/conf/flannel.1/${name}`);
      return (await a.host.namespace.execChecked(["cat", ...files])).trim().split("\n");
    };
    expect(await silence()).toEqual(["0", "1"]);

    await a.host.namespace.sysctl([
      "net.ipv6.conf.flannel/1.accept_ra=1",
      "net.ipv6.conf.flannel/1.disable_ipv6=0",
    ]);
    expect(await audit(a)).toBeGreaterThan(0);

    expect(await silence()).toEqual(["0", "1"]);
    expect(await audit(a)).toBe(0);
  });
});

describe("close of the kernel's vxlan", () => {
  it("stops no packet, twice is no error, and it opens again", async () => {
    await using network = await BackendNetwork.create(2);
    const [a, b] = await openPair(network);
    const before = await show(a.host);

    await a.backend.ask({ do: "close" });
    await a.backend.ask({ do: "close" });

    expect(await show(a.host)).toEqual(before);
    expect(await answers(a)).toBeGreaterThanOrEqual(3);
    await a.backend.ask({ do: "open", subnet: a.host.subnet });
    await introduce(a, b);
    expect(await audit(a)).toBe(0);
    expect(await show(a.host)).toEqual(before);
  });

  it("takes the address of another subnet at the next open", async () => {
    await using network = await BackendNetwork.create(1);
    const a = await openNode(network.host(1));
    await a.backend.ask({ do: "close" });
    await a.backend.ask({ do: "open", subnet: "10.244.7.0/24" });

    expect((await show(a.host)).addresses).toEqual(["inet 10.244.7.0/32 scope global"]);
  });
});

/*  h1 -- underlay -- h2, and for h1 alone: 192.0.2.3 (h3) behind h2, which forwards  */
describe("direct routing of the kernel's vxlan", () => {
  const DIRECT = { DirectRouting: true };
  const THROUGH_H2 = "192.0.2.3 via 192.0.2.2 dev eth0";

  it("sends in clear to a peer on the link, and encapsulated to one behind a router, as the underlay is now", async () => {
    await using network = await BackendNetwork.create(3);
    const [h1, h2, h3] = [network.host(1), network.host(2), network.host(3)];
    await h2.namespace.sysctl(["net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.eth0.send_redirects=0"]);
    await h1.ip(`route add ${THROUGH_H2}`);
    const nodes = [
      await openNode(h1, DIRECT),
      await openNode(h2, DIRECT),
      await openNode(h3, DIRECT),
    ] as const;
    const [a, b, c] = nodes;
    await introduce(...nodes);

    const plain = ({ host: { subnet, underlayIp } }: Node): string =>
      `${subnet} via ${underlayIp} dev eth0 proto 84`;
    const without = ({ routes }: Shown): string[] => routes.filter((line) => line !== THROUGH_H2);
    const cEncapsulated = objectsOf(c);
    const mixed = {
      routes: [BLACKHOLE, plain(b), cEncapsulated.route].sort(byPrefix),
      neighbours: [cEncapsulated.neighbour],
      fdb: [cEncapsulated.fdb],
    };
    const shown = await show(h1);
    expect({ ...shown, routes: without(shown) }).toMatchObject(mixed);
    expect(await a.backend.ask({ do: "readDirectSubnets" })).toEqual([h2.subnet]);
    expect([await answers(a), await answers(a, POD3)].every((count) => count >= 3)).toBe(true);

    await h1.ip(`route del ${THROUGH_H2}`);
    expect(await audit(a)).toBeGreaterThan(0);
    expect(await show(h1)).toMatchObject({
      routes: [BLACKHOLE, plain(b), plain(c)].sort(byPrefix),
      neighbours: [],
      fdb: [],
    });
    expect(await a.backend.ask({ do: "readDirectSubnets" })).toEqual([h2.subnet, h3.subnet]);
    expect(await answers(a, POD3)).toBeGreaterThanOrEqual(3);
    expect(await audit(a)).toBe(0);

    await h1.ip(`route add ${THROUGH_H2}`);
    expect(await audit(a)).toBeGreaterThan(0);
    const again = await show(h1);
    expect({ ...again, routes: without(again) }).toMatchObject(mixed);
    expect(await answers(a, POD3)).toBeGreaterThanOrEqual(3);
    expect(await audit(a)).toBe(0);
  });

  it("is over when the option is: the plain routes of the earlier run become encapsulated ones", async () => {
    await using network = await BackendNetwork.create(2);
    const [a, b] = [await openNode(network.host(1), DIRECT), await openNode(network.host(2))];
    await introduce(a, b);
    await a.backend.kill();

    const again = await openNode(network.host(1));
    await introduce(again, b);
    await audit(again);

    expect((await show(a.host)).routes).toEqual([BLACKHOLE, objectsOf(b).route].sort(byPrefix));
    expect(await answers(again)).toBeGreaterThanOrEqual(3);
  });
});

describe("many peers", () => {
  it.each([
    { count: 1_000, withinMs: 2_000 },
    { count: 5_000, withinMs: 10_000 },
  ])(
    "are programmed within $withinMs ms, all $count, also after the device was deleted",
    async ({ count, withinMs }) => {
      await using network = await BackendNetwork.create(1);
      const a = await openNode(network.host(1));
      const peers = manyPeers(count);
      const timed = async (what: string, run: () => Promise<unknown>): Promise<void> => {
        const startMs = performance.now();
        await run();
        const tookMs = performance.now() - startMs;
        console.info(`${count} peers: ${what} ${tookMs.toFixed(0)} ms`);
        expect(tookMs).toBeLessThan(withinMs);
      };

      await timed("sync", () => a.backend.ask({ do: "sync", peers }));
      await expectAll(a.host, count);
      await timed("audit of nothing", async () => expect(await audit(a)).toBe(0));
      await a.host.ip("link del flannel.1");
      await timed("audit after the device was deleted", () => audit(a));
      await expectAll(a.host, count);
      expect(await audit(a)).toBe(0);
    },
  );

  async function expectAll(host: BackendHost, count: number): Promise<void> {
    const { routes, neighbours, fdb } = await show(host);
    expect([routes.length, neighbours.length, fdb.length]).toEqual([count + 1, count, count]);
  }
});

/** /29 subnets from 10.244.16.0 on; addresses of the benchmarking range (RFC 2544). */
function manyPeers(count: number): GivenPeer[] {
  return Array.from({ length: count }, (_, i) => {
    const octet = (value: number): string => (value & 255).toString(16).padStart(2, "0");
    const base = 16 * 256 + i * 8;
    return {
      subnet: `10.244.${base >> 8}.${base & 255}/29`,
      underlayIp: `198.18.${Math.floor(i / 250)}.${(i % 250) + 1}`,
      backend: { type: "vxlan", data: { VNI: 1, VtepMAC: `82:4b:00:00:${octet(i >> 8)}:${octet(i)}` } },
    };
  });
}

/** In the order of `ip route`: by address, and the blackhole first of its own. */
function byPrefix(a: string, b: string): number {
  const key = (line: string): string =>
    (/(\d+)\.(\d+)\.(\d+)\.(\d+)/.exec(line) ?? [])
      .slice(1)
      .map((octet) => octet.padStart(3, "0"))
      .join(".");
  return key(a) < key(b) ? -1 : 1;
}
