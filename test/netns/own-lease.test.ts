import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { createLab } from "../support/lab.ts";
import type { Lab, LabHost } from "../support/lab.ts";
import { SUBNETS_PREFIX, cutFromEtcd, flannelValue, keyForm, putLease } from "../support/lab-registry.ts";

/** A node that no lab has. */
const THIEF_IP = "192.0.2.77";

async function ownSubnet(host: LabHost): Promise<string> {
  const { subnet } = await host.agent.status();
  if (subnet === null) throw new Error(`${host.name} has no subnet`);
  return subnet;
}

async function revokeLeaseOf(lab: Lab, host: LabHost): Promise<void> {
  const { etcdLeaseId } = (await host.agent.status()).lease;
  await lab.etcd.etcdctl(["lease", "revoke", BigInt(etcdLeaseId ?? 0).toString(16)]);
}

async function storedValue(lab: Lab, subnet: string): Promise<string | null> {
  return (await lab.etcd.leases()).get(keyForm(subnet)) ?? null;
}

describe("a host whose lease", () => {
  it("was revoked takes the same subnet again within 2 s and loses no packet", async () => {
    await using lab = await createLab({ hosts: 2 });
    const [host, peer] = [lab.host(0), lab.host(1)];
    const subnet = await ownSubnet(host);
    const { pid } = host.agent;
    const pings = [host.pod.startPing(peer.pod.address), peer.pod.startPing(host.pod.address)];
    for (const ping of pings) await ping.waitForAnswers(1, 5_000);

    const startMs = performance.now();
    await revokeLeaseOf(lab, host);
    await eventually(async () => (await storedValue(lab, subnet)) !== null, { timeoutMs: 10_000 });
    const tookMs = performance.now() - startMs;
    await eventually(async () => (await host.agent.status()).lease.state === "held");
    // The guard on the peer lets a missing lease settle for a second: probe beyond that.
    const beyond = await host.pod.ping(peer.pod.address, { count: 200 });

    expect(tookMs).toBeLessThan(2_000);
    expect(beyond.lost).toBe(0);
    for (const ping of pings) expect((await ping.stop()).lost).toBe(0);
    expect(await ownSubnet(host)).toBe(subnet);
    expect(host.agent.pid).toBe(pid);
    expect(host.agent.isRunning).toBe(true);
    expect(await lab.leakedPackets()).toBe(0);
  });

  it("was taken by another node moves to another subnet and never overwrites", async () => {
    await using lab = await createLab({ hosts: 2 });
    const host = lab.host(0);
    const subnet = await ownSubnet(host);

    await putLease(lab, { subnet: keyForm(subnet), publicIp: THIEF_IP });
    const moved = await eventually(
      async () => {
        const now = await ownSubnet(host);
        return now !== subnet && (await host.agent.readyz()).code === 200 && now;
      },
      { timeoutMs: 10_000 },
    );
    expect(await storedValue(lab, subnet)).toBe(flannelValue(THIEF_IP));
    expect(await storedValue(lab, moved)).toContain(`"PublicIP":"${host.underlayIp}"`);
    expect((await host.subnetFile()).subnet.toString()).toBe(moved);
    // The new pod gets the new subnet, and the other host knows the way there.
    const pod = await host.addPod();
    await lab.host(1).agent.waitForPeers(2, 10_000);
    expect(await lab.host(1).pod.ping(pod.address, { count: 20 })).toMatchObject({ sent: 20, lost: 0 });
    expect(await lab.leakedPackets()).toBe(0);
  });

  it("was taken while it was cut off from etcd does not overwrite it on return", async () => {
    await using lab = await createLab({ hosts: 2 });
    const host = lab.host(0);
    const subnet = await ownSubnet(host);
    const { etcdLeaseId } = (await host.agent.status()).lease;

    const cut = await cutFromEtcd(host);
    await lab.etcd.etcdctl(["lease", "revoke", BigInt(etcdLeaseId ?? 0).toString(16)]);
    await putLease(lab, { subnet: keyForm(subnet), publicIp: THIEF_IP });
    const revision = async (): Promise<string> =>
      JSON.stringify(
        (
          JSON.parse(await lab.etcd.etcdctl(["get", "-w", "json", SUBNETS_PREFIX + keyForm(subnet)])) as {
            kvs: { mod_revision: number }[];
          }
        ).kvs[0]?.mod_revision,
      );
    const stolenAt = await revision();
    await eventually(async () => (await host.agent.readyz()).code === 503, { timeoutMs: 20_000 });
    await cut.restore();
    await eventually(async () => (await ownSubnet(host)) !== subnet, { timeoutMs: 20_000 });

    expect(await storedValue(lab, subnet)).toBe(flannelValue(THIEF_IP));
    expect(await revision()).toBe(stolenAt);
  });

  it("was taken ends the agent with exit code 0 under --on-lease-lost=exit", async () => {
    await using lab = await createLab({ hosts: 1, agentFlags: ["--on-lease-lost=exit"] });
    const host = lab.host(0);
    const subnet = await ownSubnet(host);
    await putLease(lab, { subnet: keyForm(subnet), publicIp: THIEF_IP });

    expect(await host.agent.exited).toEqual({ code: 0, signal: null });
    expect(await storedValue(lab, subnet)).toBe(flannelValue(THIEF_IP));
    expect((await host.agent.logLines()).at(-1)).toContain(subnet);
  });
});
