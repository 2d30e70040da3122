import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { forgeLeases, leaseWrite } from "../support/forged-leases.ts";
import type { ForgedLease } from "../support/forged-leases.ts";
import { HOST_GW, UDP, VXLAN_KERNEL, VXLAN_USER } from "../support/healing-lab.ts";
import type { LabHost } from "../support/lab.ts";
import { LeaseWriter } from "../support/lease-writer.ts";
import type { DirectableWay } from "../support/peer-state.ts";
import { createWideLab, expectQuietLog, expectWhole } from "../support/wide-lab.ts";

const FEW = 1_000;
/** The most leases that an agent looks at, its own among them. */
const MANY = 5_000;
/** Twice to three times the bars, which are 2 and 10 s. */
const FEW_WITHIN_MS = 5_000;
const MANY_WITHIN_MS = 20_000;
/** Twice the bar. Garbage counts, too. */
const MAX_BYTES_PER_PEER = 16 * 1024;
/** Config, leases before the own one is chosen, leases before their watch, config before its watch. */
const LISTS_AND_READS = 4;
/** Port of the discard service; nobody listens, the packets only have to leave. */
const DISCARD_PORT = 9;
/** Packets at once: well below the TUN's queue of 500. */
const BURST = 100;

/** The second host starts when the lab is full; with all in user space it would carry as the first. */
const WAYS: readonly DirectableWay[] = [
  UDP,
  VXLAN_USER,
  { ...VXLAN_USER, name: "vxlan user, direct", isDirect: true },
  { ...VXLAN_KERNEL, hostIndex: 0 },
  HOST_GW,
];

/** Starts the host's agent; resolves with the time until it was ready. */
async function startAgent(host: LabHost): Promise<number> {
  const startMs = performance.now();
  const agent = await host.startAgent();
  await agent.waitReady(MANY_WITHIN_MS);
  return performance.now() - startMs;
}

/** Sends one datagram into each lease's subnet, a burst at a time; every one must find its peer. */
async function expectForwardedToEach(host: LabHost, leases: readonly ForgedLease[]): Promise<void> {
  const pod = await host.addPod();
  const sent = async (): Promise<number> => (await host.agent.status()).counters.encapSent ?? 0;
  for (let i = 0; i < leases.length; i += BURST) {
    const addresses = leases.slice(i, i + BURST).map(({ subnet }) => subnet.replace(/0\/24$/, "2"));
    const before = await sent();
    await pod.execChecked(["bash", "-s", "--", ...addresses], {
      stdin: `for address in "$@"; do echo > "/dev/udp/$address/${DISCARD_PORT}"; done\n`,
    });
    await eventually(async () => (await sent()) >= before + addresses.length);
    expect(await sent()).toBe(before + addresses.length);
  }
}

describe.each(WAYS)("twill agent, $name", (way) => {
  it("has a thousand peers in the kernel when it is ready, takes a thousand more, and starts with five thousand", async () => {
    await using lab = await createWideLab([way]);
    await using writer = await LeaseWriter.start(lab);
    const [first, second] = [lab.host(0), lab.host(1)];
    const write = (leases: readonly ForgedLease[]): Promise<unknown> =>
      writer.write(leases.map((lease) => leaseWrite(way.backend, lease)));
    const callsIn = async (work: () => Promise<number>): Promise<[number, Record<string, number>]> => {
      const before = await writer.calls();
      const tookMs = await work();
      const after = await writer.calls();
      const calls = ["Range", "Txn", "LeaseGrant"].map((name) => [
        name,
        (after[name] ?? 0) - (before[name] ?? 0),
      ]);
      return [tookMs, Object.fromEntries(calls) as Record<string, number>];
    };
    const few = forgeLeases(0, FEW - 1);

    await write(few);
    const [fewMs, fewCalls] = await callsIn(() => startAgent(first));
    await expectWhole(lab, first, way);
    const bytesWithFew = first.agent.residentBytes() ?? 0;
    if (way === UDP || way === VXLAN_USER) await expectForwardedToEach(first, few);

    const startMs = performance.now();
    await write(forgeLeases(FEW - 1, 2 * FEW - 1));
    await eventually(() => expectWhole(lab, first, way), { timeoutMs: MANY_WITHIN_MS });
    const addedMs = performance.now() - startMs;

    await write(forgeLeases(2 * FEW - 1, MANY - 2));
    await eventually(() => expectWhole(lab, first, way), { timeoutMs: MANY_WITHIN_MS });
    const [manyMs, manyCalls] = await callsIn(() => startAgent(second));
    await expectWhole(lab, second, way);
    await eventually(() => expectWhole(lab, first, way), { timeoutMs: MANY_WITHIN_MS });
    const bytesWithMany = first.agent.residentBytes() ?? 0;
    const bytesPerPeer = (bytesWithMany - bytesWithFew) / (MANY - FEW);

    console.info(
      `${way.name}: from start to ready ${fewMs.toFixed(0)} ms with ${FEW} leases, ${manyMs.toFixed(0)} ms with ${MANY}; ` +
        `${FEW} added in ${addedMs.toFixed(0)} ms; ${(bytesPerPeer / 1024).toFixed(1)} KiB for each peer, ` +
        `${(bytesWithMany / 2 ** 20).toFixed(0)} MiB with all; calls ${JSON.stringify(manyCalls)}`,
    );
    expect(fewMs).toBeLessThan(FEW_WITHIN_MS);
    expect(addedMs).toBeLessThan(FEW_WITHIN_MS);
    expect(manyMs).toBeLessThan(MANY_WITHIN_MS);
    expect(fewCalls).toEqual({ Range: LISTS_AND_READS, Txn: 1, LeaseGrant: 1 });
    expect(manyCalls).toEqual(fewCalls);
    expect(bytesPerPeer).toBeLessThan(MAX_BYTES_PER_PEER);
    await Promise.all([first, second].map(expectQuietLog));
  });
});
