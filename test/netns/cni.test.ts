/**
 * `twill-cni` as a container runtime calls it, with Debian's plugins behind it:
 *
 *   container -- eth0 --[cni0]-- h1 -- flannel0 ══ underlay ══ flannel0 -- h2 --[cni0]-- eth0 -- container
 */
import { readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CniHost, DEBIAN_PLUGINS, addressOf, mtuOf } from "../support/cni-host.ts";
import { eventually } from "../support/eventually.ts";
import { createLab } from "../support/lab.ts";
import { exchangeStream, noteSenders, startEcho } from "../support/pod-traffic.ts";

const SUCCESS = { code: 0, stdout: "" };
const READY_WITHIN_MS = 15_000;
const STREAM_BYTES = 1_000_000;

/** An error as a runtime reads it. */
function failure(code: number, message: string): unknown {
  return {
    code: 1,
    stdout: expect.objectContaining({ code, msg: expect.stringContaining(message) as string }) as unknown,
  };
}

describe("containers that twill-cni attached", () => {
  it("reach each other on two hosts by their own addresses, with packets of exactly the overlay's MTU", async () => {
    await using lab = await createLab({ hosts: 2, pods: 0, agentFlags: ["--ip-masq"] });
    await using c1 = new CniHost(lab.host(0));
    await using c2 = new CniHost(lab.host(1));
    const pods = [await c1.addPod(), await c2.addPod()] as const;
    const [p1, p2] = pods;
    const senders = await noteSenders(p2);
    const echo = await startEcho(p2);

    expect(await p1.ping(p2.address, { count: 20 })).toMatchObject({ lost: 0 });
    expect(await p2.ping(p1.address, { count: 20 })).toMatchObject({ lost: 0 });
    await exchangeStream(p1, p2, STREAM_BYTES);
    expect(await senders()).toEqual([`${p1.address} icmp`, `${p1.address} tcp`]);
    echo.stop();

    const { overlayMtu } = await c1.host.subnetFile();
    expect([overlayMtu, await mtuOf("cni0", c1.host), await mtuOf("eth0", p1)]).toEqual([1472, 1472, 1472]);
    for (const port of await c1.portsOf("cni0")) expect(await mtuOf(port, c1.host)).toBe(1472);
    const whole = { bytes: overlayMtu, dontFragment: true };
    expect(await p1.ping(p2.address, whole)).toMatchObject({ lost: 0 });
    expect(await p1.ping(p2.address, { ...whole, bytes: overlayMtu + 1 })).toMatchObject({ received: 0 });
    expect(await lab.leakedPackets()).toBe(0);
  });

  it("have a port of the host and a default route, with the example's configuration", async () => {
    await using lab = await createLab({ hosts: 2, pods: 0, agentFlags: ["--ip-masq"] });
    await using cni = new CniHost(lab.host(0));
    const { plugins } = JSON.parse(
      readFileSync(new URL("../../packaging/cni/10-twill.conflist", import.meta.url), "utf8"),
    ) as { plugins: object[] };
    const [own, portmap] = plugins;
    const container = await cni.create();
    const added = await cni.add(container, { config: own ?? {} });
    expect(added.routes).toContainEqual({ dst: "0.0.0.0/0", gw: await cni.host.gateway() });
    const chained = {
      program: join(DEBIAN_PLUGINS, "portmap"),
      config: {
        ...portmap,
        prevResult: added,
        runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 5000, protocol: "tcp" }] },
      },
    };
    expect(await cni.call("ADD", container, chained)).toMatchObject({ code: 0 });

    const pod = container.pod(addressOf(added));
    const echo = await startEcho(pod);
    await exchangeStream(lab.host(1), { address: cni.host.underlayIp, port: 8080 }, STREAM_BYTES);
    echo.stop();
    expect(await cni.call("DEL", container, chained)).toEqual(SUCCESS);
    expect(await cni.call("DEL", container)).toEqual(SUCCESS);
  });

  it("get the address that the runtime asks for, and answer in the version it speaks", async () => {
    await using lab = await createLab({ hosts: 1, pods: 0, agentFlags: ["--ip-masq"] });
    await using cni = new CniHost(lab.host(0));
    const { subnet } = await cni.host.subnetFile();
    for (const [i, cniVersion] of ["0.3.0", "0.3.1", "0.4.0", "1.0.0"].entries()) {
      const address = subnet.address.plus(100 + i).toString();
      const config = { cniVersion, runtimeConfig: { ips: [address] } };
      const container = await cni.create();
      const added = await cni.add(container, { config });
      expect([added.cniVersion, addressOf(added)]).toEqual([cniVersion, address]);
      expect(await cni.host.ping(address)).toMatchObject({ lost: 0 });
      expect(await cni.call("DEL", container, { config })).toEqual(SUCCESS);
    }
    const container = await cni.create();
    const byArgs = { env: { CNI_ARGS: `IgnoreUnknown=1;IP=${subnet.address.plus(200).toString()}` } };
    expect(addressOf(await cni.add(container, byArgs))).toBe(subnet.address.plus(200).toString());
    expect(await cni.remembered()).toEqual([subnet.address.plus(200).toString(), `net:${container.id}:eth0`]);
  });
});

describe("CHECK and DEL of twill-cni", () => {
  it("find what somebody took away, and leave nothing, however often", async () => {
    await using lab = await createLab({ hosts: 1, pods: 0, agentFlags: ["--ip-masq"] });
    await using cni = new CniHost(lab.host(0));
    const container = await cni.create();
    const prevResult = await cni.add(container);
    const address = addressOf(prevResult);
    expect(await cni.call("CHECK", container, { config: { prevResult } })).toEqual(SUCCESS);
    expect(await cni.remembered()).toEqual([address, `net:${container.id}:eth0`]);

    await container.namespace.run("ip", ["address", "flush", "dev", "eth0"]);
    expect(await cni.call("CHECK", container, { config: { prevResult } })).toEqual(
      failure(999, "Cannot check the container: bridge: "),
    );
    await container.namespace.run("ip", ["link", "del", "eth0"]);
    expect(await cni.call("CHECK", container, { config: { prevResult } })).toEqual(
      failure(999, "Cannot check the container: bridge: "),
    );
    expect(await cni.call("DEL", container, { config: { prevResult } })).toEqual(SUCCESS);
    expect(await cni.call("DEL", container)).toEqual(SUCCESS);
    expect([await cni.remembered(), await cni.portsOf("cni0")]).toEqual([[], []]);
    expect(await cni.call("CHECK", container, { config: { prevResult } })).toEqual(
      failure(3, "was not attached"),
    );
  });

  it("need neither agent nor subnet file, nor the container", async () => {
    await using lab = await createLab({ hosts: 1, pods: 0, agentFlags: ["--ip-masq"] });
    await using cni = new CniHost(lab.host(0));
    const [first, second] = [await cni.create(), await cni.create()];
    const prevResult = await cni.add(first);
    await cni.add(second);
    await cni.host.agent.stop();
    await rm(cni.host.files.subnetFile);

    expect(await cni.call("CHECK", first, { config: { prevResult } })).toEqual(SUCCESS);
    expect(await cni.call("DEL", first)).toEqual(SUCCESS);
    await second[Symbol.asyncDispose]();
    expect(await cni.call("DEL", second, { env: { CNI_NETNS: "" } })).toEqual(SUCCESS);
    expect(await cni.remembered()).toEqual([]);
    await eventually(async () => expect(await cni.portsOf("cni0")).toEqual([]));
  });
});

describe("ADD of twill-cni", () => {
  it("asks to be tried again until the agent has a lease", async () => {
    await using lab = await createLab({ hosts: 1, agents: false });
    await using cni = new CniHost(lab.host(0));
    const container = await cni.create();
    const early = "start twill agent and wait for its lease";
    expect(await cni.call("ADD", container)).toEqual(failure(11, early));
    expect(await cni.call("DEL", container)).toEqual(SUCCESS);
    const agent = await cni.host.startAgent(["--ip-masq"]);
    await agent.waitReady(READY_WITHIN_MS);

    expect(addressOf(await cni.add(container))).not.toBe("");
  });

  it("gives 20 containers that start at once 20 addresses", async () => {
    await using lab = await createLab({ hosts: 1, pods: 0, agentFlags: ["--ip-masq"] });
    await using cni = new CniHost(lab.host(0));
    const containers = await Promise.all(Array.from({ length: 20 }, () => cni.create()));
    const startMs = performance.now();
    const results = await Promise.all(containers.map((container) => cni.add(container)));
    const tookMs = performance.now() - startMs;
    console.info(`20 ADDs at once took ${tookMs.toFixed(0)} ms`);
    expect(new Set(results.map(addressOf)).size).toBe(20);
    for (const result of results)
      expect(await cni.host.ping(addressOf(result), { count: 1 })).toMatchObject({ lost: 0 });

    const ends = await Promise.all(containers.map((container) => cni.call("DEL", container)));
    expect(ends).toEqual(containers.map(() => SUCCESS));
    expect([await cni.remembered(), await cni.portsOf("cni0")]).toEqual([[], []]);
  });

  it("keeps two networks of one host apart, also in one container", async () => {
    await using lab = await createLab({ hosts: 1, pods: 0, agentFlags: ["--ip-masq"] });
    await using cni = new CniHost(lab.host(0));
    const container = await cni.create();
    const here = addressOf(await cni.add(container));
    const subnetFile = `${cni.directory}-other.env`;
    await writeFile(
      subnetFile,
      "FLANNEL_NETWORK=10.245.0.0/16\nFLANNEL_SUBNET=10.245.3.1/24\nFLANNEL_MTU=1400\nFLANNEL_IPMASQ=true\n",
    );

    const other = { name: "other", subnetFile };
    const onSameBridge = { config: other, env: { CNI_IFNAME: "eth1" } };
    expect(await cni.call("ADD", container, onSameBridge)).toEqual(
      failure(999, 'give the network one of its own with "delegate": {"bridge": NAME}'),
    );
    expect(await cni.call("DEL", container, onSameBridge)).toEqual(SUCCESS);

    const apart = { config: { ...other, delegate: { bridge: "cni1" } }, env: { CNI_IFNAME: "eth1" } };
    const there = addressOf(await cni.add(container, apart));
    expect([there, await mtuOf("cni1", cni.host), await mtuOf("cni0", cni.host)]).toEqual([
      expect.stringMatching(/^10\.245\.3\.[2-9]$/),
      1400,
      1472,
    ]);
    expect(await cni.remembered()).toEqual(
      [here, there, `net:${container.id}:eth0`, `other:${container.id}:eth1`].sort(),
    );
    expect(await cni.call("DEL", container, apart)).toEqual(SUCCESS);
    expect(await cni.host.ping(here)).toMatchObject({ lost: 0 });
    expect(await cni.call("DEL", container)).toEqual(SUCCESS);
    expect(await cni.remembered()).toEqual([]);
  });

  it("says where the delegate is to be had when CNI_PATH lacks it", async () => {
    await using lab = await createLab({ hosts: 1, pods: 0 });
    await using cni = new CniHost(lab.host(0));
    const container = await cni.create();
    const answer = await cni.call("ADD", container, { env: { CNI_PATH: "/opt/cni/none" } });
    expect(answer).toEqual(
      failure(
        4,
        'Cannot run the plugin "bridge": it is in none of the directories of CNI_PATH ("/opt/cni/none")',
      ),
    );
    expect(await cni.remembered()).toEqual([]);
  });
});
