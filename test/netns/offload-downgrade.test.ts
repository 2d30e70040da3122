import { expect, it } from "vitest";
import { runIperf, startIperfServer } from "../../src/lab/measure/iperf.ts";
import { eventually } from "../support/eventually.ts";
import { createLab } from "../support/lab.ts";
import type { Lab } from "../support/lab.ts";

/** Below what the overlay MTU of 1472 makes of it: 1500. */
const NARROW_MTU = 1300;

/*  pod -- host 1 [eth0: mtu 1500, narrow: mtu 1300] ==== host 2 -- pod
 *
 * The kernel cuts a batch only into datagrams that fit the device they leave by, and refuses the batch otherwise. That
 * device is not the one the agent has its address on: of that it follows the MTU.
 */
async function narrowTheWay(lab: Lab): Promise<void> {
  const [first, second] = [lab.host(0), lab.host(1)];
  const links = JSON.parse(
    await second.namespace.execChecked(["ip", "-j", "link", "show", "dev", "eth0"]),
  ) as { address: string }[];
  await first.namespace.ip([
    `link add narrow mtu ${NARROW_MTU} type veth peer name narrow1 netns ${lab.underlay.name}`,
    "link set narrow up",
  ]);
  await lab.underlay.ip(["link set narrow1 master br0 up"]);
  // Without ARP, which would tell the other host that our address is behind this device: answers stay on eth0.
  await first.namespace.sysctl(["net.ipv4.conf.narrow.arp_ignore=1"]);
  await first.namespace.ip([
    `neigh add ${second.underlayIp} lladdr ${links[0]?.address ?? ""} dev narrow nud permanent`,
    `route add ${second.underlayIp}/32 dev narrow src ${first.underlayIp}`,
  ]);
}

it("goes on packet by packet when the kernel refuses a batch, loses nothing by it and says so once", async () => {
  await using lab = await createLab({ hosts: 2, agentFlags: ["--engine=native"] });
  const [first, second] = [lab.host(0), lab.host(1)];
  const server = await startIperfServer(second.pod.namespace);
  const before = await runIperf(first.pod.namespace, second.pod.address);
  const { counters: counted } = await first.agent.status();
  expect(counted.encapCut).toBeGreaterThan(0);
  expect(counted.offloadRefused).toBe(0);

  await narrowTheWay(lab);
  const narrow = await runIperf(first.pod.namespace, second.pod.address);

  expect(before.receivedBytes).toBeGreaterThan(0);
  expect(narrow.receivedBytes).toBeGreaterThan(0);
  await server.stop();
  const { counters } = await first.agent.status();
  expect(counters.offloadRefused).toBeGreaterThan(0);
  expect(counters.offloadDowngrades).toBeGreaterThan(0);
  expect([counters.encapDropSendTooLong, counters.encapDropSendFailed]).toEqual([0, 0]);
  await eventually(async () => {
    const [near, far] = await Promise.all([first.agent.status(), second.agent.status()]);
    expect(far.counters.decapDelivered).toBe(near.counters.encapSent);
  });
  const warning = "Cannot send several datagrams in one call";
  const warnings = (await first.agent.logLines()).filter((line) => line.includes(warning));
  expect(warnings).toHaveLength(1); // not one for each time that it was tried again
  expect(warnings[0]).toContain(second.underlayIp);
});
