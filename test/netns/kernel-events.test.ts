import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import type { GivenInterest, Heard } from "../support/kernel-events-child.ts";
import { KernelEventsProcess } from "../support/kernel-events-process.ts";
import { NetworkNamespace } from "../support/network-namespace.ts";

/** The overlay device as flannel makes it, on the underlay device eth0. */
const ADD_DEVICE = "link add flannel.1 type vxlan id 1 dev eth0 dstport 8472 nolearning";
/** A host of the overlay with one peer, and a device that is nobody's business. */
const HOST = [
  "link add eth0 type veth peer name far",
  "link add other type veth peer name beyond",
  ...["eth0", "far", "other", "beyond"].map((name) => `link set ${name} up`),
  "address add 192.0.2.1/24 dev eth0",
  "address add 198.51.100.1/24 dev other",
  "route add default via 192.0.2.254",
  ADD_DEVICE,
  "address add 10.244.1.0/32 dev flannel.1",
  "link set flannel.1 up",
  "neigh add 10.244.2.0 lladdr 02:42:00:00:00:02 dev flannel.1 nud permanent",
  "route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink proto 84",
];
const ADD_FDB = "fdb add 02:42:00:00:00:02 dev flannel.1 self permanent dst 192.0.2.2";
const RULES = "add table inet a; add chain inet a c; add rule inet a c tcp dport 9 drop";

let namespace: NetworkNamespace;
let listener: KernelEventsProcess;

beforeEach(async () => {
  namespace = await NetworkNamespace.create();
  await namespace.run("sh", ["-c", HOST.map((line) => `ip ${line}`).join(" && ")]);
  await run(`bridge ${ADD_FDB}`);
  await namespace.run("nft", [RULES]);
  await eventually(async () => (await run("ip -br link show type veth")).match(/ UP /g)?.length === 4);
  listener = await KernelEventsProcess.start(namespace);
});
afterEach(async () => {
  await listener[Symbol.asyncDispose]();
  await namespace[Symbol.asyncDispose]();
});

/** Runs a command of the namespace; it has no blanks in its words. */
async function run(command: string): Promise<string> {
  const [program = "", ...args] = command.split(" ");
  return await namespace.run(program, args);
}

async function indexOf(name: string): Promise<number> {
  const [link] = JSON.parse(await run(`ip -j link show dev ${name}`)) as { ifindex: number }[];
  return link?.ifindex ?? NaN;
}

async function hostInterest(): Promise<GivenInterest> {
  return {
    names: ["eth0", "flannel.1"],
    indexes: [await indexOf("eth0")],
    deviceIndex: await indexOf("flannel.1"),
    network: "10.244.0.0/16",
  };
}

async function listen(receiveBufferBytes?: number): Promise<void> {
  await listener.call("open", receiveBufferBytes === undefined ? {} : { receiveBufferBytes });
  await listener.call("watch", await hostInterest());
}

/** What a command makes the listener say. */
async function changesOf(...commands: string[]): Promise<string[]> {
  for (const command of commands) await run(command);
  return (await listener.call("settle")).changes;
}

/** Lines for `ip -batch`: as many changes of routes that are nobody's business. */
function otherRoutes(changes: number): string {
  const verbs = ["add", "del"];
  const lines = Array.from({ length: changes / 2 }, (_, i) => `198.18.${i >> 8}.${i & 255}/32 dev other`);
  return verbs.flatMap((verb) => lines.map((line) => `route ${verb} ${line}\n`)).join("");
}

describe("openKernelEvents", () => {
  it.each<[what: string, command: string, changes: string[]]>([
    ["the device is deleted", "ip link delete flannel.1", ["address", "link", "neighbour"]],
    ["the device is set down", "ip link set flannel.1 down", ["link", "neighbour"]],
    ["the device gets another MTU", "ip link set flannel.1 mtu 1400", ["link"]],
    ["the device gets another MAC", "ip link set flannel.1 address 02:42:00:00:00:09", ["link", "neighbour"]],
    ["the underlay gets another MAC", "ip link set eth0 address 02:42:00:00:00:09", ["link"]],
    ["the underlay is set down", "ip link set eth0 down", ["link"]],
    ["the underlay's address goes", "ip address del 192.0.2.1/24 dev eth0", ["address", "route"]],
    ["the underlay gets an address", "ip address add 192.0.2.7/32 dev eth0", ["address"]],
    ["a route of ours is deleted", "ip route del 10.244.2.0/24", ["route"]],
    ["a route of ours is replaced", "ip route replace 10.244.2.0/24 via 192.0.2.9", ["route"]],
    ["a route comes into the network", "ip route add 10.244.7.0/24 dev other", ["route"]],
    ["a route comes around the network", "ip route add 10.0.0.0/8 dev other", ["route"]],
    ["a route comes by the underlay", "ip route add 203.0.113.0/24 via 192.0.2.9", ["route"]],
    ["another default route comes", "ip route add default dev other metric 9", ["route"]],
    ["a neighbour entry is deleted", "ip neigh del 10.244.2.0 dev flannel.1", ["neighbour"]],
    [
      "an FDB entry is deleted",
      "bridge fdb del 02:42:00:00:00:02 dev flannel.1 self dst 192.0.2.2",
      ["neighbour"],
    ],
    [
      "an FDB entry is replaced",
      "bridge fdb replace 02:42:00:00:00:02 dev flannel.1 self static dst 192.0.2.3",
      ["neighbour"],
    ],
    ["the rule set is flushed", "nft flush ruleset", ["firewall"]],
  ])("says when %s (%s)", async (_what, command, changes) => {
    await listen();
    expect(await changesOf(command)).toEqual(changes);
    expect(await changesOf()).toEqual([]);
  });

  it("says when the device is made again, under another index", async () => {
    await listen();
    const before = await indexOf("flannel.1");
    await changesOf("ip link delete flannel.1");
    expect(await changesOf(`ip ${ADD_DEVICE}`)).toEqual(["link"]);
    expect(await indexOf("flannel.1")).not.toBe(before);
    expect(await changesOf("ip address add 10.244.1.0/32 dev flannel.1")).toEqual([]); // of that index
    await listener.call("watch", await hostInterest());
    expect(await changesOf("ip address del 10.244.1.0/32 dev flannel.1")).toEqual(["address"]);
  });

  it.each<[what: string, commands: string[]]>([
    [
      "a pod's device that comes and goes",
      [
        "ip link add veth1 type veth peer name pod1",
        "ip address add 198.51.100.129/25 dev veth1",
        "ip link set veth1 up",
        "ip link set pod1 up",
        "ip link delete veth1",
      ],
    ],
    [
      "ARP on the underlay",
      [
        "ip neigh add 192.0.2.9 lladdr 02:42:00:00:00:09 dev eth0 nud reachable",
        "ip neigh change 192.0.2.9 lladdr 02:42:00:00:00:09 dev eth0 nud permanent",
        "ip neigh del 192.0.2.9 dev eth0",
      ],
    ],
    ["ARP on the device", ["ip neigh add 10.244.9.9 lladdr 02:42:00:00:00:09 dev flannel.1 nud reachable"]],
    [
      "a route of ours that comes",
      ["ip route add 10.244.3.0/24 via 10.244.3.0 dev flannel.1 onlink proto 84"],
    ],
    [
      "routes elsewhere",
      [
        "ip route add 10.245.0.0/16 dev other",
        "ip route replace 10.245.0.0/16 via 198.51.100.9",
        "ip route del 10.245.0.0/16",
      ],
    ],
    ["another table's route", ["ip route add 10.244.7.0/24 dev other table 1000"]],
    ["an FDB entry elsewhere", ["bridge fdb add 02:42:00:00:00:09 dev other self permanent"]],
  ])("is silent about %s", async (_what, commands) => {
    await listen();
    expect(await changesOf(...commands)).toEqual([]);
  });

  it("is silent when nobody answers ARP on the underlay", async () => {
    await run("sysctl -q -w net.ipv4.neigh.eth0.retrans_time_ms=20");
    await listen();
    await expect(run("ping -n -c 1 -w 3 192.0.2.77")).rejects.toMatchObject({ code: 1 });
    expect(await run("ip neigh show 192.0.2.77 dev eth0")).toContain("FAILED");
    expect(await changesOf()).toEqual([]);
  });

  it("does not call for 20,000 changes of routes elsewhere", async () => {
    await listen(32 * 2 ** 20); // room for all of them, however slow this machine is today
    await listener.call("runBusily", "ip", ["-batch", "-"], otherRoutes(20_000));
    expect(await listener.call("settle")).toEqual({ changes: [], calls: 0, overflows: 0 } satisfies Heard);
  });

  it("says that notifications were lost, and goes on", async () => {
    await listen(2048);
    for (const round of [1, 2]) {
      await listener.call("runBusily", "ip", ["-batch", "-"], otherRoutes(10_000));
      expect(await listener.call("settle")).toEqual({ changes: ["overflow"], calls: 1, overflows: round });
    }
    expect(await changesOf("ip route del 10.244.2.0/24")).toEqual(["route"]);
    expect((await listener.call("settle")).overflows).toBe(2);
  });

  it("needs no watch for a route of ours that goes, a default route, the firewall and nothing else", async () => {
    expect(await listener.call("open", {})).toBe(true);
    expect(await changesOf("ip link set eth0 mtu 1400", "ip route add 10.244.7.0/24 dev other")).toEqual([]);
    expect(await changesOf("ip route del 10.244.2.0/24")).toEqual(["route"]);
    expect(await changesOf("nft flush ruleset")).toEqual(["firewall"]);
    expect(await changesOf("ip route add default dev other metric 9")).toEqual(["route"]);
  });

  it("does without the firewall where it may not listen to it", async () => {
    const noPrivilege = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"];
    await using unprivileged = await KernelEventsProcess.start(namespace, noPrivilege);
    expect(await unprivileged.call("open", {})).toBe(false);
    await unprivileged.call("watch", await hostInterest());
    await run("nft flush ruleset");
    await run("ip link set eth0 mtu 1400");
    expect((await unprivileged.call("settle")).changes).toEqual(["link"]);
  });

  it("leaves no descriptor and nothing that holds the process when it is closed", async () => {
    const before = await listener.call("countDescriptors");
    await listen(2048);
    await listener.call("runBusily", "ip", ["-batch", "-"], otherRoutes(2000));
    await listener.call("settle"); // so that the watch is one that has started again
    await listener.call("close");
    expect(await listener.call("countDescriptors")).toBe(before);
    const [first, last] = await listener.call("churn", 100);
    expect(last).toBe(first);
    expect(await listener.release()).toBe(0);
  });
});
