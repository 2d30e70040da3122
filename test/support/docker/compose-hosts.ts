/** What tests ask the hosts of the compose lab, their pods and their etcd, by the commands that its page shows. */
import { expect } from "vitest";
import type { AgentStatus } from "../../../src/agent/status.ts";
import { parseSubnetFile } from "../../../src/files/subnet-file.ts";
import { eventually } from "../eventually.ts";
import { COMPOSE_HOSTS } from "./compose-lab.ts";
import type { ComposeLab } from "./compose-lab.ts";
import { fromComposePage } from "./compose-page.ts";
import { expectAllAnswered } from "./pod-pings.ts";

const WAIT_FOR_PODS = { timeoutMs: 60_000, pollMs: 100 };
const PREFIX = "/coreos.com/network";
const IN_POD = ["twill", "pod", "exec", "web", "--"];
/** Sends 16 MiB to a pod's web server, and prints length and SHA-256 of what went and of what the server got. */
const SEND = fromComposePage(/node -e '\n([^']*"POST"[^']*)'/g);
const SENT_INTACT = /^sent (16777216 [0-9a-f]{64})\ncame \1$/;

/** A host as its agent tells of it, and the devices that carry its packets, as `tun flannel0`. */
export interface ComposeHost {
  readonly ready: boolean;
  readonly backend: string | null;
  /** Subnet and underlay address: `10.244.7.0/24 172.18.0.4`. */
  readonly own: string;
  readonly peers: readonly string[];
  readonly carriers: readonly string[];
  /** Of the overlay, and of its pod's device: one of another overlay would send packets that do not fit. */
  readonly mtus: readonly (number | null)[];
}

/** The part of `ip -j -d link show` that is read. */
interface Link {
  readonly ifname: string;
  readonly mtu: number;
  readonly linkinfo?: { readonly info_kind?: string };
}

/** A lease as etcd has it. */
export interface ComposeLease {
  /** As {@link ComposeHost.own}. */
  readonly node: string;
  readonly backend: string;
}

/** Waits for the pod of each host, which waits for its agent's lease; resolves with their addresses. */
export async function podAddresses(lab: ComposeLab): Promise<string[]> {
  const addressOf = (host: string): Promise<string> =>
    eventually(() => lab.exec(host, ["twill", "pod", "ip", "web"]), WAIT_FOR_PODS);
  return await Promise.all(COMPOSE_HOSTS.map(addressOf));
}

/** Waits until every pod gets an answer from every other: the agents know each other. */
export async function podsAnswer(lab: ComposeLab, addresses: readonly string[]): Promise<void> {
  await onEachHost(async (host, index) => {
    for (const other of addresses.toSpliced(index, 1)) {
      const ping = [...IN_POD, "ping", "-c", "1", "-W", "1", other];
      await eventually(() => lab.exec(host, ping), WAIT_FOR_PODS);
    }
  });
}

/** From each pod to each other: no ping is lost, a server sees who asks. And 16 MiB by TCP reach the next as they were sent. */
export async function expectTraffic(lab: ComposeLab, addresses: readonly string[]): Promise<void> {
  await onEachHost(async (host, index) => {
    const [next = "", ...others] = [...addresses.slice(index + 1), ...addresses.slice(0, index)];
    const sent = await lab.exec(host, [...IN_POD, "node", "-e", SEND, next]);
    expect(sent).toMatch(SENT_INTACT);
    for (const other of [next, ...others]) {
      await expectAllAnswered((argv) => lab.exec(host, [...IN_POD, ...argv]), other);
      const fetched = `fetch("http://${other}:8080/").then(async (r) => console.log(await r.text()))`;
      const said = await lab.exec(host, [...IN_POD, "node", "-e", fetched]);
      expect(said.split(" was asked by ")).toEqual([expect.stringContaining(other), addresses[index]]);
    }
  });
}

/** All hosts, in their order. */
export async function composeHosts(lab: ComposeLab): Promise<ComposeHost[]> {
  return await onEachHost(async (host) => {
    const status = JSON.parse(await lab.exec(host, ["twill", "status", "--json"])) as AgentStatus;
    const links = await linksIn(lab, host, []);
    const inPod = await linksIn(lab, host, IN_POD);
    return {
      ready: status.ready,
      backend: status.backend,
      own: `${status.subnet ?? "?"} ${status.underlay?.publicIp ?? "?"}`,
      peers: status.peers.map(({ subnet, underlayIp }) => `${subnet} ${underlayIp}`).sort(),
      carriers: links
        .filter(({ ifname }) => ifname.startsWith("flannel"))
        .map(({ ifname, linkinfo }) => `${linkinfo?.info_kind ?? "?"} ${ifname}`),
      mtus: [status.overlayMtu, ...inPod.filter(({ ifname }) => ifname === "eth0").map(({ mtu }) => mtu)],
    };
  });
}

async function linksIn(lab: ComposeLab, host: string, command: readonly string[]): Promise<Link[]> {
  return JSON.parse(await lab.exec(host, [...command, "ip", "-j", "-d", "link", "show"])) as Link[];
}

/** The subnet of each host, in the order of {@link COMPOSE_HOSTS}, as its subnet file has it. */
export async function composeSubnets(lab: ComposeLab): Promise<string[]> {
  return await onEachHost(async (host) => {
    const file = parseSubnetFile(await lab.exec(host, ["cat", "/run/flannel/subnet.env"]));
    return file?.subnet.toString() ?? "none";
  });
}

/** Every lease in the lab's etcd, sorted by its node's text. */
export async function composeLeases(lab: ComposeLab): Promise<ComposeLease[]> {
  const text = await lab.exec("etcd", ["etcdctl", "get", "--prefix", `${PREFIX}/subnets/`]);
  const leases = [...text.matchAll(/^.*\/subnets\/(.*)-(\d+)\n(.*)$/gm)];
  return leases
    .map(([, address = "", length = "", json = ""]) => {
      const lease = JSON.parse(json) as { PublicIP: string; BackendType?: string };
      return { node: `${address}/${length} ${lease.PublicIP}`, backend: lease.BackendType ?? "udp" }; // as flannel's udp
    })
    .sort((a, b) => (a.node < b.node ? -1 : 1));
}

/** The backend that the network config in the lab's etcd asks for. */
export async function configuredBackend(lab: ComposeLab): Promise<string> {
  const text = await lab.exec("etcd", ["etcdctl", "get", "--print-value-only", `${PREFIX}/config`]);
  return (JSON.parse(text) as { Backend: { Type: string } }).Backend.Type;
}

async function onEachHost<T>(ask: (host: string, index: number) => Promise<T>): Promise<T[]> {
  return await Promise.all(COMPOSE_HOSTS.map(ask));
}
