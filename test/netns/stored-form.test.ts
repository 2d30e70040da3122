import { readFile, stat } from "node:fs/promises";
import { expect, it } from "vitest";
import { createLab } from "../support/lab.ts";
import { SUBNETS_PREFIX, keyForm } from "../support/lab-registry.ts";

/** A member of ours that flannel's reader ignores; nothing else may differ from flannel's value. */
const NODE_ID_MEMBER = /,"NodeID":"[0-9a-f]{32}"(?=\}$)/;
const FLANNEL_TTL_SECONDS = 86_400;

it("stores flannel's key, value and time to live, and writes flannel's subnet file and device", async () => {
  await using lab = await createLab({ hosts: 1, pods: 0 });
  const host = lab.host(0);
  const { subnet, lease } = await host.agent.status();
  if (subnet === null || lease.etcdLeaseId === null) throw new Error("The agent is ready without a lease");
  const base = subnet.replace("/24", "");

  const [key, value] = (await lab.etcd.etcdctl(["get", "--prefix", SUBNETS_PREFIX])).trim().split("\n");
  expect(key).toBe(`/coreos.com/network/subnets/${keyForm(subnet)}`);
  expect(value).toMatch(NODE_ID_MEMBER);
  expect(value?.replace(NODE_ID_MEMBER, "")).toBe('{"PublicIP":"192.0.2.1","PublicIPv6":null}');

  const etcdLeaseId = BigInt(lease.etcdLeaseId).toString(16).padStart(16, "0"); // as etcdctl writes it
  expect((await lab.etcd.etcdctl(["lease", "list"])).trim().split("\n")).toEqual([
    "found 1 leases",
    etcdLeaseId,
  ]);
  const ttl = await lab.etcd.etcdctl(["lease", "timetolive", etcdLeaseId, "--keys"]);
  expect(ttl).toContain(`granted with TTL(${FLANNEL_TTL_SECONDS}s)`);
  expect(ttl).toContain(`attached keys([${SUBNETS_PREFIX}${keyForm(subnet)}])`);

  expect(await readFile(host.files.subnetFile, "utf8")).toBe(
    "FLANNEL_NETWORK=10.244.0.0/16\n" +
      `FLANNEL_SUBNET=${base.replace(/\.0$/, ".1")}/24\n` +
      "FLANNEL_MTU=1472\n" +
      "FLANNEL_IPMASQ=false\n",
  );
  expect((await stat(host.files.subnetFile)).mode & 0o777).toBe(0o644);

  expect(await host.execChecked(["ip", "-4", "-o", "addr", "show", "dev", "flannel0"])).toContain(
    `inet ${base}/32 `,
  );
  expect(await host.execChecked(["ip", "link", "show", "dev", "flannel0"])).toContain("mtu 1472");
  expect(await host.execChecked(["ip", "route", "show", "10.244.0.0/16"])).toContain(
    "10.244.0.0/16 dev flannel0",
  );
});
