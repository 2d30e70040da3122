/** The underlay's address changes under running agents: the node stays who it is, and its peers hear of it. */
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { hostState } from "../support/host-state.ts";
import {
  WAYS,
  expectNoLeak,
  heals,
  linesSince,
  restoreUnderlay,
  useHealingLabs,
} from "../support/healing-lab.ts";
import type { Place } from "../support/healing-lab.ts";

/** Bars: 3 s until etcd has it, 5 s until peers send there; the rest is for a busy machine. */
const LEASE_WITHIN_MS = 8_000;
const PEERS_WITHIN_MS = 10_000;
const WITHIN_MS = 10_000;
const AWAY_MS = 2_000;
/** What the agent says while there is no address to work on. */
const CANNOT_FOLLOW = "Cannot follow the underlay, will retry";

const labs = useHealingLabs();

/** Takes `to` in the place of `from`, as a DHCP client does that is given another one. */
async function changeAddress({ host }: Place, from: string, to: string): Promise<void> {
  await host.namespace.ip([`address add ${to}/24 dev eth0`, `address del ${from}/24 dev eth0`]);
  await restoreUnderlay(host, to);
}

/** Waits until etcd has this address in the host's lease, and until the peer's pod reaches ours; resolves with both times. */
async function knownAs(place: Place, underlayIp: string): Promise<{ leaseMs: number; peersMs: number }> {
  const { lab, host, peer } = place;
  const startMs = performance.now();
  const key = (await host.subnetFile()).subnet.toString().replace("/", "-");
  const leases = async (): Promise<void> => {
    const value = JSON.parse((await lab.etcd.leases()).get(key) ?? "{}") as { PublicIP?: string };
    expect(value.PublicIP).toBe(underlayIp);
  };
  const reached = async (): Promise<boolean> => {
    const { peers } = await peer.agent.status();
    if (!peers.some((one) => one.underlayIp === underlayIp)) return false;
    return (await peer.pod.ping(host.pod.address, { count: 1, lingerMs: 50 })).lost === 0;
  };
  const since = (): number => performance.now() - startMs;
  const [leaseMs, peersMs] = await Promise.all([
    eventually(leases, { timeoutMs: LEASE_WITHIN_MS }).then(since),
    eventually(reached, { timeoutMs: PEERS_WITHIN_MS }).then(since),
  ]);
  return { leaseMs, peersMs };
}

describe.each(WAYS)("a host whose underlay address changes, with $name", (way) => {
  it("keeps its subnet and tells its peers; all of others stays", async () => {
    const place = await labs.place(way);
    const { host, lab } = place;
    const [own, other] = [host.underlayIp, "192.0.2.77"];
    const [before, leases] = [await hostState(host), await lab.etcd.leases()];
    const subnetFile = await readFile(host.files.subnetFile, "utf8");
    const foreign = (state: readonly string[], address: string): string[] =>
      state.filter((line) => !`${line} `.replaceAll("/", " ").includes(` ${address} `));

    const thereAndBack = async (): Promise<void> => {
      await changeAddress(place, own, other);
      const { leaseMs, peersMs } = await knownAs(place, other);
      console.info(
        `${way.name}: new address in etcd after ${leaseMs.toFixed(0)} ms, used by peers after ${peersMs.toFixed(0)} ms`,
      );
      await eventually(async () =>
        expect(foreign(await hostState(host), other)).toEqual(foreign(before, own)),
      );
      expect(await readFile(host.files.subnetFile, "utf8")).toBe(subnetFile);
      expect([...(await lab.etcd.leases()).keys()]).toEqual([...leases.keys()]);
      await expectNoLeak(place);
      await changeAddress(place, other, own);
    };
    await heals(place, "address changed there and back", thereAndBack, { withinMs: WITHIN_MS });
    await knownAs(place, own);
    expect(await lab.etcd.leases()).toEqual(leases);
  });

  it("loses it for some seconds, and goes on where it was", async () => {
    const place = await labs.place(way);
    const { host, lab } = place;
    const leases = await lab.etcd.leases();
    const logged = (await host.agent.logLines()).length;
    const takeAway = async (): Promise<void> => {
      await host.namespace.ip([`address del ${host.underlayIp}/24 dev eth0`]);
      await eventually(async () =>
        expect((await linesSince(host, logged)).map(({ msg }) => msg)).toContain(CANNOT_FOLLOW),
      );
      await delay(AWAY_MS); // the fault is a span of time
      await restoreUnderlay(host);
    };
    await heals(place, "address away for 2 s", takeAway, {
      withinMs: WITHIN_MS,
      expectedErrors: [CANNOT_FOLLOW],
    });
    expect(await lab.etcd.leases()).toEqual(leases);
  });
});
