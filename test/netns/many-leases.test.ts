import { expect, it } from "vitest";
import { Ipv4Prefix } from "../../src/net/ipv4.ts";
import { eventually } from "../support/eventually.ts";
import { createLab } from "../support/lab.ts";
import type { LabHost } from "../support/lab.ts";
import { putLeasesInTransactions } from "../support/lab-registry.ts";
import type { ForeignLease } from "../support/lab-registry.ts";

/** /26 subnets, so that 1,000 of them fit the overlay network. */
const SUBNET_BITS = 26;
const SUBNETS_PER_24 = 4;
/** Port of the discard service; nobody listens, the packets only have to leave. */
const DISCARD_PORT = 9;
/** Packets at once: well below the TUN's queue of 500. */
const BURST = 100;

/** `count` leases from the end of the overlay network down, with addresses of the benchmarking range (RFC 2544). */
function leasesFromTheEnd(count: number): ForeignLease[] {
  return Array.from({ length: count }, (_, i) => {
    const index = 255 * SUBNETS_PER_24 + 3 - i;
    const third = Math.floor(index / SUBNETS_PER_24);
    const fourth = (index % SUBNETS_PER_24) * 2 ** (32 - SUBNET_BITS);
    return {
      subnet: `10.244.${third}.${fourth}-${SUBNET_BITS}`,
      publicIp: `198.18.${Math.floor(i / 250)}.${(i % 250) + 1}`,
    };
  });
}

/** Sends one datagram into each lease's subnet, a burst at a time; every one must find its peer. */
async function expectForwardedToEach(host: LabHost, leases: readonly ForeignLease[]): Promise<void> {
  const sent = async (): Promise<number> => (await host.agent.status()).counters.encapSent ?? 0;
  for (let i = 0; i < leases.length; i += BURST) {
    const addresses = leases.slice(i, i + BURST).map(secondAddress);
    const before = await sent();
    await host.pod.execChecked(["bash", "-s", "--", ...addresses], {
      stdin: `for address in "$@"; do echo > "/dev/udp/$address/${DISCARD_PORT}"; done\n`,
    });
    await eventually(async () => (await sent()) >= before + addresses.length);
    expect(await sent()).toBe(before + addresses.length);
  }
}

/** `10.244.7.64-26` gives 10.244.7.66. */
function secondAddress({ subnet }: ForeignLease): string {
  const prefix = Ipv4Prefix.parse(subnet.replace("-", "/"));
  if (prefix === null) throw new RangeError(`Cannot read ${subnet} as a lease's subnet`);
  return prefix.address.plus(2).toString();
}

it.each([
  { count: 200, perTransaction: 100, withinMs: 1_000 },
  { count: 1_000, perTransaction: 125, withinMs: 2_000 },
])("forwards to all of $count leases within $withinMs ms", async ({ count, perTransaction, withinMs }) => {
  await using lab = await createLab({
    hosts: 1,
    networkConfig: { SubnetLen: SUBNET_BITS, SubnetMax: "10.244.1.0" },
  });
  const host = lab.host(0);
  const leases = leasesFromTheEnd(count);

  await putLeasesInTransactions(lab, leases, perTransaction);
  const arrivedMs = performance.now();
  await host.agent.waitForPeers(count, 10_000);
  const tookMs = performance.now() - arrivedMs;
  console.info(`${count} leases forwarded ${tookMs.toFixed(0)} ms after the last transaction`);
  expect(tookMs).toBeLessThan(withinMs);

  await expectForwardedToEach(host, leases);
});
