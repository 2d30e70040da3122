/**
 * Containers of two hosts, each with an agent and the Docker plugin, under Docker's firewall.
 *
 *   container eth0 10.244.N.2 -- twh... [tw-... 10.244.N.1, flannel0] eth0 192.0.2.N --bridge-- the other host
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MAX_UNDER_WAY, parsePingOutput } from "../../src/lab/measure/ping-output.ts";
import { PluginHost } from "../support/docker-plugin.ts";
import { createLab } from "../support/lab.ts";
import type { Lab, LabHost } from "../support/lab.ts";
import { DockerNetwork, labHostNamespace } from "../support/libnetwork.ts";
import type { Container } from "../support/libnetwork.ts";

/** Of IPv4 and ICMP. */
const PING_HEADERS = 28;
const BRIDGE_NETFILTER = "/proc/sys/net/bridge/bridge-nf-call-iptables";

/** A host with two containers. */
interface Side {
  readonly host: LabHost;
  readonly plugin: PluginHost;
  readonly network: DockerNetwork;
  readonly containers: readonly [Container, Container];
}

let lab: Lab;
let open: AsyncDisposable[];

beforeEach(async () => {
  open = [];
  lab = await createLab({ hosts: 2, pods: 0 });
  open.push(lab);
});
afterEach(async () => {
  for (const one of open.reverse()) await one[Symbol.asyncDispose]();
});

/** What dockerd does to a host's firewall when it has switched forwarding on. */
async function applyDockerPolicy({ namespace }: LabHost): Promise<void> {
  await namespace.execChecked(["iptables", "-P", "FORWARD", "DROP"]);
  await namespace.execChecked(["iptables", "-N", "DOCKER-USER"]);
  await namespace.execChecked(["iptables", "-I", "FORWARD", "-j", "DOCKER-USER"]);
  if (existsSync(BRIDGE_NETFILTER)) await namespace.sysctl(["net.bridge.bridge-nf-call-iptables=1"]);
}

async function makeSide(host: LabHost): Promise<Side> {
  await applyDockerPolicy(host);
  const plugin = await PluginHost.create(host.namespace, host.files.subnetFile);
  open.push(plugin);
  await plugin.start();
  const network = await DockerNetwork.create(plugin, labHostNamespace(host));
  const containers = [await network.connect(), await network.connect()] as const;
  open.push(...containers.map(({ namespace }) => namespace));
  return { host, plugin, network, containers };
}

/** Echo requests with DF, and some after them that are not counted; resolves with how many were not answered. */
async function lost(from: Container, to: Container, bytes = 84, count = 20): Promise<number | undefined> {
  const target = to.address.split("/")[0] ?? "";
  const size = `${bytes - PING_HEADERS}`;
  const requests = `${count + MAX_UNDER_WAY}`;
  const args = ["-n", "-D", "-c", requests, "-i", "0.02", "-W", "2", "-M", "do", "-s", size, target];
  return parsePingOutput(await from.namespace.run("ping", args), count)?.lost;
}

describe("containers of the Docker plugin on two hosts with agents", () => {
  it("reach each other under Docker's DROP policy with packets of exactly the lease's MTU and their own addresses", async () => {
    const [one, two] = [await makeSide(lab.host(0)), await makeSide(lab.host(1))];
    const { overlayMtu } = await one.host.subnetFile();
    for (const [from, to] of [
      [one.containers[0], one.containers[1]],
      [one.containers[0], two.containers[0]],
      [two.containers[1], one.containers[1]],
    ] as const) {
      expect(await lost(from, to)).toBe(0);
      expect(await lost(from, to, overlayMtu, 3)).toBe(0);
      await expect(lost(from, to, overlayMtu + 1, 1)).rejects.toThrow(/essage too long/);
    }
    const seen = await sourceSeen(one.containers[0], two.containers[0]);
    expect(seen).toBe(one.containers[0].address.split("/")[0]);
    await one.host.namespace.execChecked([
      "iptables",
      "-I",
      "DOCKER-USER",
      "-s",
      "10.244.0.0/16",
      "-j",
      "DROP",
    ]);
    await expect(lost(one.containers[0], two.containers[0], 84, 1)).rejects.toThrow();
  });

  it("keep talking while the plugin and the agent are killed and started again", async () => {
    const [one, two] = [await makeSide(lab.host(0)), await makeSide(lab.host(1))];
    await one.plugin.end("SIGKILL");
    one.host.agent.kill("SIGKILL");
    expect(await lost(one.containers[0], one.containers[1])).toBe(0);
    await one.host.restartAgent();
    await one.host.agent.waitForPeers(1, 20_000);
    await one.plugin.start();
    expect(await lost(one.containers[0], two.containers[1])).toBe(0);
    const third = await one.network.connect();
    open.push(third.namespace);
    expect([...one.containers.map(({ address }) => address)]).not.toContain(third.address);
    expect(await lost(third, two.containers[0])).toBe(0);
  });
});

/** Source address that a container sees of what another one sends. */
async function sourceSeen(from: Container, to: Container): Promise<string> {
  const target = to.address.split("/")[0] ?? "";
  const script = `
    const server = require("node:dgram").createSocket("udp4");
    server.on("message", (_, { address }) => { process.stdout.write(address); process.exit(); });
    server.bind(9000);`;
  const listening = to.namespace.run(process.execPath, ["-e", script]);
  const send = `
    const socket = require("node:dgram").createSocket("udp4");
    setInterval(() => socket.send("x", 9000, "${target}"), 20);`;
  const [program, args] = from.namespace.command([process.execPath, "-e", send]);
  const sender = spawn(program, args, { stdio: "inherit" });
  try {
    return await listening;
  } finally {
    sender.kill("SIGKILL");
    await once(sender, "exit");
  }
}
