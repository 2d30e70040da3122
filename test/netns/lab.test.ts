import { existsSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LabHost } from "../../src/lab/host/lab-host.ts";
import { runChecked } from "../../src/lab/machine/run-command.ts";
import { eventually } from "../support/eventually.ts";
import { makeLabFolder, namespacesOf, ownName, removeLabFolder } from "../support/lab-folder.ts";
import { createLab } from "../support/lab.ts";

let stateDirectory: string;
beforeAll(() => (stateDirectory = makeLabFolder()));
afterAll(async () => await removeLabFolder(stateDirectory));

/** Gives a host a subnet as an agent would, so that pods can be made without one. */
async function writeSubnetFile(host: LabHost, subnet: string): Promise<void> {
  const text = `FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=${subnet}\nFLANNEL_MTU=1472\nFLANNEL_IPMASQ=false\n`;
  await mkdir(dirname(host.files.subnetFile), { recursive: true });
  await writeFile(host.files.subnetFile, text);
}

describe("createLab", () => {
  it("keeps two labs side by side apart", async () => {
    await using one = await createLab({ stateDirectory, hosts: 2, etcd: false });
    await using two = await createLab({ stateDirectory, hosts: 1, etcd: false });

    expect(await one.host(0).ping("192.0.2.2")).toMatchObject({ sent: 3, received: 3 });
    expect(await two.host(0).ping("192.0.2.2", { lingerMs: 100 })).toMatchObject({ sent: 3, received: 0 });

    await one.down();
    expect(namespacesOf(one.name)).toEqual([]);
    expect(namespacesOf(two.name)).toHaveLength(2);
    expect(await two.host(0).ping("192.0.2.254")).toMatchObject({ sent: 3, received: 3 });
  });

  it("refuses a name that is in use, and changes nothing about the lab that has it", async () => {
    const options = { stateDirectory, name: ownName("twice"), hosts: 1, etcd: false };
    await using lab = await createLab(options);
    await expect(createLab(options)).rejects.toThrow(`Cannot make lab ${options.name}: there is one in`);
    expect(await lab.host(0).ping("192.0.2.254")).toMatchObject({ received: 3 });
  });

  it("does not take a later lab of the same name down with an earlier one", async () => {
    const options = { stateDirectory, name: ownName("again"), hosts: 1, etcd: false };
    await using earlier = await createLab(options);
    await earlier.down();
    await using later = await createLab(options);
    await earlier.down();
    expect(await later.host(0).ping("192.0.2.254")).toMatchObject({ received: 3 });
  });

  it("refuses a namespace that no record knows, and leaves it alone", async () => {
    const name = ownName("strange");
    const namespace = `twl-${name}-h1`;
    await runChecked(["ip", "netns", "add", namespace]);
    try {
      await expect(createLab({ stateDirectory, name, hosts: 1, etcd: false })).rejects.toThrow(
        `namespace ${namespace} is there, and no record says that a lab made it`,
      );
      expect(namespacesOf(name)).toEqual([namespace]);
    } finally {
      await runChecked(["ip", "netns", "del", namespace]);
    }
  });

  it("does not overwrite a subnet file that is there", async () => {
    const subnetFile = join(stateDirectory, "subnet.env");
    await writeFile(subnetFile, "the real host's\n");
    const lab = createLab({ stateDirectory, name: ownName("file"), hosts: 1, etcd: false, subnetFile });
    await expect(lab).rejects.toThrow(`there is a file ${subnetFile}`);
    expect(existsSync(subnetFile)).toBe(true);
    rmSync(subnetFile);
  });
});

describe("leakedPackets", () => {
  it("counts each packet that crosses the underlay in clear once, by direction", async () => {
    await using lab = await createLab({ stateDirectory, hosts: 2, etcd: false });
    const h1 = lab.host(0);
    expect(await lab.leaks()).toEqual({ fromOverlay: 0, toOverlay: 0 });

    await h1.ping("192.0.2.2", { count: 4 }); // no overlay address in it
    expect(await lab.leakedPackets()).toBe(0);

    await h1.exec(["ping", "-c", "5", "-i", "0.01", "-W", "0.1", "10.244.9.9"]); // follows the default route
    await eventually(async () => expect(await lab.leaks()).toEqual({ fromOverlay: 0, toOverlay: 5 }));

    await h1.namespace.ip(["addr add 10.244.1.1/32 dev lo"]);
    await h1.exec(["ping", "-c", "2", "-W", "0.1", "-I", "10.244.1.1", "192.0.2.2"]);
    await eventually(async () => expect(await lab.leaks()).toEqual({ fromOverlay: 2, toOverlay: 5 + 2 })); // the two answers, too
    expect(await lab.leakedPackets()).toBe(9);
  });
});

describe("leaks", () => {
  it("is an error where packets are to cross the underlay in clear, unless they are counted all the same", async () => {
    const inClear = {
      stateDirectory,
      hosts: 1,
      etcd: false,
      networkConfig: { Backend: { Type: "host-gw" } },
    };
    await using lab = await createLab(inClear);
    await expect(lab.leakedPackets()).rejects.toThrow(
      `Cannot count leaks in lab ${lab.name}: its packets cross the underlay in clear by design (host-gw)`,
    );
    await using counted = await createLab({ ...inClear, countLeaks: true });
    expect(await counted.leakedPackets()).toBe(0);
    await using quiet = await createLab({ stateDirectory, hosts: 1, etcd: false, countLeaks: false });
    await expect(quiet.leaks()).rejects.toThrow("it was made without a counter");
  });
});

/*  pod 10.244.1.2 -- h1 192.0.2.1 --[underlay]-- h2 192.0.2.2 -- pod 10.244.2.2, with routes set by hand */
describe("LabPod", () => {
  it("reaches a pod of another host by plain routes, and its probes count every loss", async () => {
    await using lab = await createLab({ stateDirectory, hosts: 2, etcd: false });
    const [h1, h2] = [lab.host(0), lab.host(1)];
    await writeSubnetFile(h1, "10.244.1.1/24");
    await writeSubnetFile(h2, "10.244.2.1/24");
    await h1.addPod();
    await h1.addPod();
    await h2.addPod();
    expect(lab.pods.map((pod) => `${pod.name} ${pod.address}`)).toEqual([
      "h1p1 10.244.1.2",
      "h1p2 10.244.1.3",
      "h2p1 10.244.2.2",
    ]);
    expect(await h1.pod.ping("10.244.1.3")).toMatchObject({ sent: 3, received: 3, ipTtl: 64 });

    await h1.namespace.ip(["route add 10.244.2.0/24 via 192.0.2.2"]);
    await h2.namespace.ip(["route add 10.244.1.0/24 via 192.0.2.1"]);
    await h1.pod.execChecked(["ping", "-c", "50", "-i", "0.01", "10.244.2.2"]);
    await eventually(async () => expect(await lab.leakedPackets()).toBe(2 * 50));
    expect(await h1.pod.ping("10.244.2.2", { count: 50 })).toMatchObject({
      sent: 50,
      received: 50,
      lost: 0,
      ipTtl: 62,
    });

    // The subnet file says 1472 bytes, and the pods' devices follow it.
    expect(await h1.pod.execChecked(["ip", "link", "show", "dev", "eth0"])).toContain(" mtu 1472 ");
    const whole = { count: 2, dontFragment: true };
    expect(await h1.pod.ping("10.244.2.2", { ...whole, bytes: 1472 })).toMatchObject({ received: 2 });
    expect(await h1.pod.ping("10.244.2.2", { ...whole, bytes: 1473 })).toMatchObject({ received: 0 });

    for (const host of lab.hosts) await host.setPodMtu(1500);
    expect(await h1.pod.ping("10.244.2.2", { ...whole, bytes: 1500 })).toMatchObject({ received: 2 });
    for (const host of lab.hosts) await host.setPodMtu(1400);
    expect(await h1.pods[1]?.ping("10.244.2.2", { ...whole, bytes: 1400 })).toMatchObject({ received: 2 });
    expect(await h1.pods[1]?.ping("10.244.2.2", { ...whole, bytes: 1401 })).toMatchObject({ received: 0 });

    await h2.execChecked(["nft", "-f", "-"], {
      stdin: `table ip lossy {
        chain in {
          type filter hook prerouting priority 0; policy accept;
          icmp type echo-request numgen inc mod 10 == 3 drop
        }
      }\n`,
    });
    expect(await h1.pod.ping("10.244.2.2", { count: 100 })).toMatchObject({
      sent: 100,
      received: 90,
      lost: 10,
      lostSequences: [4, 14, 24, 34, 44, 54, 64, 74, 84, 94],
    });
  });

  it("probes on through a fault and says how long it lasted", async () => {
    await using lab = await createLab({ stateDirectory, hosts: 2, etcd: false });
    const probe = lab.host(0).startPing("192.0.2.2");
    await probe.waitForAnswers(5, 5_000);
    await lab.host(1).namespace.ip(["link set eth0 down"]);
    await eventually(async () => {
      // The first try may meet an answer that had come before.
      await expect(probe.waitForAnswers(1, 200)).rejects.toThrow(
        "Cannot see 1 answers of 192.0.2.2: not so after 200 ms",
      );
    });
    await lab.host(1).namespace.ip(["link set eth0 up"]);
    await probe.waitForAnswers(5, 5_000);
    const counts = await probe.stop();
    expect(counts.sent).toBe(counts.received + counts.lost);
    expect(counts.lost).toBeGreaterThanOrEqual(5);
    expect(counts.longestGapMs).toBeGreaterThanOrEqual(200);
    expect(counts.duplicates).toBe(0);
  });

  it("moves data by TCP", async () => {
    await using lab = await createLab({ stateDirectory, hosts: 2, etcd: false });
    const server = await lab.host(1).startIperfServer();
    const { receivedBytes } = await lab.host(0).iperf("192.0.2.2");
    await server.stop();
    expect(receivedBytes).toBeGreaterThan(1_000_000);
  });
});

describe("LabEtcd", () => {
  it("answers the hosts, and forgets history when told", async () => {
    await using lab = await createLab({ stateDirectory, hosts: 1, agents: false });
    const answer = await lab
      .host(0)
      .exec(["etcdctl", `--endpoints=${lab.etcd.url}`, "get", "/coreos.com/network/config"]);
    expect(answer.stdout).toBe('/coreos.com/network/config\n{"Network":"10.244.0.0/16"}\n');

    await lab.etcd.etcdctl(["put", "/a", "1"]);
    await lab.etcd.etcdctl(["put", "/a", "2"]);
    expect(await lab.etcd.compact()).toBe("4");
    await expect(lab.etcd.etcdctl(["get", "/a", "--rev=3"])).rejects.toThrow(
      "required revision has been compacted",
    );
  });

  it("keeps its data over a kill, and is another cluster after a wipe", async () => {
    await using lab = await createLab({ stateDirectory, hosts: 1, agents: false });
    const clusterOf = async (): Promise<string | undefined> =>
      /"ClusterID" : ([0-9]+)/.exec(
        await lab.etcd.etcdctl(["endpoint", "status", "--write-out=fields"]),
      )?.[1];
    const cluster = await clusterOf();
    await lab.etcd.kill();
    await lab.etcd.start();
    expect(await lab.etcd.revision()).toBe("2");
    expect(await clusterOf()).toBe(cluster);
    await lab.etcd.wipe();
    expect(await lab.etcd.revision()).toBe("1");
    expect(await clusterOf()).not.toBe(cluster);
  });

  it("does not answer while it is paused", async () => {
    await using lab = await createLab({ stateDirectory, hosts: 1, agents: false });
    const health = async (timeout: string): Promise<number | null> => {
      const options = [`--endpoints=${lab.etcd.url}`, `--command-timeout=${timeout}`];
      return (await lab.host(0).exec(["etcdctl", ...options, "endpoint", "health"])).code;
    };
    lab.etcd.pause();
    expect(await health("300ms")).not.toBe(0);
    lab.etcd.resume();
    expect(await health("10s")).toBe(0);
  });
});

describe("a lab with agents", () => {
  it("connects the pods of three hosts both ways without a loss or a leak", async () => {
    await using lab = await createLab({ stateDirectory, hosts: 3 });
    const pairs = lab.pods.flatMap((from) =>
      lab.pods.filter((to) => to !== from).map((to) => ({ from, to })),
    );
    expect(pairs).toHaveLength(6);
    const counts = await Promise.all(pairs.map(({ from, to }) => from.ping(to.address, { count: 100 })));
    for (const count of counts)
      expect(count).toMatchObject({ sent: 100, received: 100, lost: 0, duplicates: 0, ipTtl: 60 });
    expect(await lab.leakedPackets()).toBe(0);
    expect((await lab.etcd.leases()).size).toBe(3);
    const { agent } = lab.host(0);
    expect(await agent.status()).toMatchObject({
      pid: agent.pid,
      ready: true,
      backend: "udp",
      overlayMtu: 1472,
    });
    expect(agent.cpuMs()).toBeGreaterThan(0);
    expect(agent.residentBytes()).toBeGreaterThan(10_000_000);
  });

  it("drives an agent by signals and says how it ended", async () => {
    await using lab = await createLab({ stateDirectory, hosts: 2 });
    const host = lab.host(0);
    const first = host.agent;
    first.kill("SIGKILL");
    expect(await first.exited).toEqual({ code: null, signal: "SIGKILL" });
    const second = await host.startAgent();
    await second.waitReady(20_000);
    await second.waitForPeers(1, 20_000);
    expect(await second.stop()).toEqual({ code: 0, signal: null });
    expect((await second.logLines()).filter((line) => line.includes('"msg":"Ready"'))).toHaveLength(2);
  });

  it("starts each agent with the flags of its host, however often, and those of one start after them", async () => {
    await using lab = await createLab({
      stateDirectory,
      hosts: 2,
      pods: 0,
      agentFlags: ["--queues=1"],
      hostFlags: { h2: ["--engine=dgram"] },
    });
    const carriers = async (): Promise<unknown[]> =>
      await Promise.all(
        lab.hosts.map(async ({ agent }) => {
          await agent.waitReady(20_000);
          const { datapath } = await agent.status();
          return [datapath?.engine, datapath?.queues];
        }),
      );
    const asMade = [
      ["native", 1],
      ["dgram", 1],
    ];
    expect(await carriers()).toEqual(asMade);
    for (const host of lab.hosts) await host.restartAgent();
    expect(await carriers()).toEqual(asMade);
    await lab.host(1).agent.stop();
    await lab.host(1).startAgent(["--engine=native"]);
    expect((await carriers())[1]).toEqual(["native", 1]);
  });

  it("says at once why an agent does not get ready", async () => {
    await using lab = await createLab({ stateDirectory, hosts: 1, agents: false });
    const agent = await lab.host(0).startAgent(["--source-check=nonsense"]);
    await expect(agent.waitReady(20_000)).rejects.toThrow(/has ended; its log ends with\n.*nonsense/s);
  });
});
