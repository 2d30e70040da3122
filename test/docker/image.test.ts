/**
 * The image, built from the checkout: an agent with the capabilities that its page promises, pods of two hosts, and the
 * compose lab, which is made of it.
 */
import { join } from "node:path";
import { GenericContainer, Network, Wait } from "testcontainers";
import type { StartedNetwork, StartedTestContainer } from "testcontainers";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { addBaseImages } from "../support/docker/base-images.ts";
import type { BaseImages } from "../support/docker/base-images.ts";
import { itRunsTheComposeLab } from "../support/docker/compose-tests.ts";
import type { DockerEngine } from "../support/docker/docker-engine.ts";
import { describeOnEngines } from "../support/docker/engine-machine.ts";
import { startOutsideEngine } from "../support/docker/outside-engine.ts";
import { expectAllAnswered } from "../support/docker/pod-pings.ts";
import type { RunInPod } from "../support/docker/pod-pings.ts";
import { eventually } from "../support/eventually.ts";

const ROOT = join(import.meta.dirname, "../..");
const IMAGE = "twill-test/twill:latest";
const MAX_IMAGE_BYTES = 350e6;
const CONFIG = '{"Network":"10.244.0.0/16"}';
const BUILD_TIMEOUT_MS = 600_000;
/** Two of the health check's intervals and an agent's start, on a busy machine. */
const HEALTHY_TIMEOUT_MS = 120_000;
/** Healthy is who has a subnet; of another host's it hears a moment after that has one. */
const HEARD = { timeoutMs: 20_000 };

/** A container that opens a TUN device and forwards; testcontainers has no words for devices and sysctls. */
class HostContainer extends GenericContainer {
  withTun(): this {
    const device = { PathOnHost: "/dev/net/tun", PathInContainer: "/dev/net/tun", CgroupPermissions: "rwm" };
    this.hostConfig.Devices = [device];
    this.hostConfig.Sysctls = { "net.ipv4.ip_forward": "1" };
    return this;
  }
}

/**
 * For testcontainers, which reads these when it is first used, until `vi.unstubAllEnvs`. Ryuk, which would clean up, is an
 * image of a registry; the engine goes anyway.
 */
function useEngine({ clientEnvironment }: DockerEngine): void {
  for (const [name, value] of Object.entries(clientEnvironment)) vi.stubEnv(name, value);
  vi.stubEnv("TESTCONTAINERS_RYUK_DISABLED", "true");
}

async function startEtcd(image: string, network: StartedNetwork): Promise<void> {
  const etcd = await new GenericContainer(image)
    .withNetwork(network)
    .withNetworkAliases("etcd")
    .withCommand([
      "etcd",
      "--listen-client-urls=http://0.0.0.0:2379",
      "--advertise-client-urls=http://etcd:2379",
    ])
    .withWaitStrategy(Wait.forSuccessfulCommand("etcdctl endpoint health"))
    .start();
  await run(etcd, ["etcdctl", "put", "/coreos.com/network/config", CONFIG]);
}

/** Resolves when the image's own health check is content. */
async function startHost(network: StartedNetwork, capabilities: string[]): Promise<StartedTestContainer> {
  return await new HostContainer(IMAGE)
    .withTun()
    .withAddedCapabilities(...capabilities)
    .withNetwork(network)
    .withEnvironment({ FLANNELD_ETCD_ENDPOINTS: "http://etcd:2379", FLANNELD_IP_MASQ: "true" })
    .withWaitStrategy(Wait.forHealthCheck().withStartupTimeout(HEALTHY_TIMEOUT_MS))
    .start();
}

/** Runs a command in a container that must succeed; resolves with what it printed. */
async function run(container: StartedTestContainer, argv: readonly string[]): Promise<string> {
  const { exitCode, output } = await container.exec([...argv]);
  expect(exitCode, `${argv.join(" ")}: ${output}`).toBe(0);
  return output.trim();
}

describeOnEngines("the image", () => {
  let engine: DockerEngine | undefined;
  let base: BaseImages;
  let network: StartedNetwork;
  beforeAll(async () => {
    engine = await startOutsideEngine();
    useEngine(engine);
    base = await addBaseImages(engine);
    await GenericContainer.fromDockerfile(ROOT).withBuildArgs({ BASE: base.base }).build(IMAGE);
    network = await new Network().start();
    await startEtcd(base.etcd, network);
  }, BUILD_TIMEOUT_MS);
  afterAll(async () => {
    vi.unstubAllEnvs();
    await engine?.[Symbol.asyncDispose]();
  });

  const outside = (): DockerEngine => {
    if (engine === undefined) throw new Error("The engine is missing: beforeAll has failed");
    return engine;
  };

  it("has at most 350 MB", async () => {
    const bytes = Number(await outside().docker(["image", "inspect", "--format={{.Size}}", IMAGE]));
    console.info(`image: ${(bytes / 1e6).toFixed(0)} MB`);
    expect(bytes).toBeLessThanOrEqual(MAX_IMAGE_BYTES);
  });

  it("runs an agent with NET_ADMIN and /dev/net/tun alone, and its health is the agent's", async () => {
    const host = await startHost(network, ["NET_ADMIN"]);
    expect(await run(host, ["twill", "status"])).toMatch(/^ready +yes/m);
    await host.stop();
  });

  it("carries pods of two hosts: no ping of 20 is lost, and a server sees who asks", async () => {
    const capabilities = ["NET_ADMIN", "SYS_ADMIN"]; // `twill pod` makes network namespaces
    const hosts = await Promise.all([startHost(network, capabilities), startHost(network, capabilities)]);
    for (const host of hosts) await run(host, ["twill", "pod", "run", "web"]);
    const [first, second] = await Promise.all(hosts.map((host) => run(host, ["twill", "pod", "ip", "web"])));
    for (const [host, own, other] of [
      [hosts[0], first, second],
      [hosts[1], second, first],
    ] as const) {
      const inPod: RunInPod = (argv) => run(host, ["twill", "pod", "exec", "web", "--", ...argv]);
      await eventually(() => inPod(["ping", "-c", "1", "-W", "1", other ?? ""]), HEARD);
      await expectAllAnswered(inPod, other ?? "");
      const fetched = `fetch("http://${other ?? ""}:8080/").then(async (r) => console.log(await r.text()))`;
      expect(await inPod(["node", "-e", fetched])).toContain(own);
    }
    await Promise.all(hosts.map((host) => host.stop()));
  });

  describe("by docker-compose", () => {
    itRunsTheComposeLab(() => ({
      engine: outside(),
      images: { TWILL_IMAGE: IMAGE, TWILL_BASE: base.base, TWILL_ETCD_IMAGE: base.etcd },
    }));
  });
});
