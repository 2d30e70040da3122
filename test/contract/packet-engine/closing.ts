/** Part of packet-engine.test.ts: what is left of an engine, and of its packets, under traffic and after its end. */
import { closeSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import type { ForwardingTable } from "../../../src/datapath/forwarding-table.ts";
import { openPacketPair } from "../../../src/datapath/packet-io.ts";
import { EngineBench, engineOptions, tableOf, tunOf, until } from "../../support/engine-bench.ts";
import type { EngineUnderTest, UnderlayBench } from "../../support/engine-bench.ts";
import { Tally } from "../../support/engine-traffic.ts";
import { OWN_POD, PEERS, POD_A } from "../../support/packet-addresses.ts";
import { packetOf } from "../../support/packets.ts";
import { countDescriptors, threadIds, threadsSince } from "../../support/process-resources.ts";

const CYCLES = 100;
const TABLE_REPLACEMENTS = 1_000;

const [PEER_A, PEER_B, PEER_C] = PEERS;
const TO_PEER_A = packetOf();
const FROM_PEER_A = packetOf({ source: POD_A, destination: OWN_POD });

/** Opening, closing and replacing tables, with what is left in the process and uncounted afterwards. */
export function closingTests(engine: EngineUnderTest, underlay: () => UnderlayBench): void {
  it("leaves nothing behind when it is closed, even twice", async () => {
    const before = await settledResources(engine, underlay());
    const bench = await EngineBench.open(engine, underlay());
    bench.put("tun", TO_PEER_A);
    bench.put("peerA", FROM_PEER_A);
    await bench.untilCounted({ encapSent: 1, decapDelivered: 1 });
    await Promise.all([bench.engine.close(), bench.engine.close()]);
    await bench.engine.close();
    expect(countDescriptors()).toBe(before.descriptors + 1); // the far end of the TUN is the bench's
    bench.closeFarEnd();
    await untilResourcesAre(before);
  });

  it("closes all descriptors when it cannot open", async () => {
    const before = await settledResources(engine, underlay());
    const [tunFd, farFd] = openPacketPair();
    const [noSocketFd, otherFd] = openPacketPair();
    const options = {
      ...engineOptions(underlay().port),
      tun: tunOf(engine.tun, [tunFd]),
      socketFd: noSocketFd,
    };
    await expect(engine.open(options)).rejects.toMatchObject({ code: "ERR_SOCKET_FAILED" });
    closeSync(farFd);
    closeSync(otherFd);
    expect(countDescriptors()).toBe(before.descriptors);
    await untilResourcesAre(before);
  });

  it(`counts all that it loses while its table is replaced ${TABLE_REPLACEMENTS} times under traffic`, async () => {
    const before = await settledResources(engine, underlay());
    {
      await using bench = await EngineBench.open(engine, underlay(), { hasIpv6: true });
      const tally = new Tally(bench, underlay());
      for (let i = 0; i < TABLE_REPLACEMENTS; i++) {
        bench.engine.replaceTable(tableOfTurn(i));
        tally.putBurst();
        if (i % 4 === 3) await tally.settle();
        else await turn();
      }
      await tally.settle();
      expect(tally.unread()).toEqual([0, 0]);
      await bench.engine.close();
      await tally.takeAll();
      expect(tally.missing()).toEqual([0, 0]);
      for (const name of [
        "encapSent",
        "encapDropNoPeer",
        "decapDelivered",
        "decapDropForeignSource",
      ] as const) {
        expect(bench.engine.readCounters()[name]).toBeGreaterThan(TABLE_REPLACEMENTS / 4);
      }
    }
    await untilResourcesAre(before);
  });

  it(`leaves nothing behind and loses nothing uncounted when it is opened and closed ${CYCLES} times under traffic`, async () => {
    const before = await settledResources(engine, underlay());
    for (let i = 0; i < CYCLES; i++) {
      await using bench = await EngineBench.open(engine, underlay(), { hasIpv6: true });
      const tally = new Tally(bench, underlay());
      tally.putBurst();
      await tally.settle();
      expect(tally.unread()).toEqual([0, 0]);
      bench.engine.replaceTable(tableOfTurn(i));
      tally.putBurst();
      await turn();
      await bench.engine.close(); // in the middle of it: what it has not read by now is nobody's
      await tally.takeAll();
      expect(tally.missing()).toEqual([0, 0]);
      expect(tally.unread().every((count) => count >= 0)).toBe(true);
    }
    await untilResourcesAre(before);
  });
}

/** What this process holds in the kernel and in the event loop. */
interface Resources {
  readonly descriptors: number;
  /** Their ids, of which a message shows those alone that are too many. */
  readonly threads: ReadonlySet<string>;
  /** Names of what keeps the event loop alive, but for timers, which come and go. */
  readonly handles: readonly string[];
}

function resources(): Resources {
  const handles = process.getActiveResourcesInfo().filter((name) => !/^(Timeout|Immediate)$/.test(name));
  return { descriptors: countDescriptors(), threads: threadIds(), handles: handles.sort() };
}

/** Waits, because libuv lets go of a handle only a turn after it is asked to. */
async function untilResourcesAre(wanted: Resources): Promise<void> {
  await until(
    () => isSame(resources(), wanted) && threadsSince(wanted.threads).length === 0,
    () =>
      `${JSON.stringify([resources(), threadsSince(wanted.threads)])}, wanted ${JSON.stringify([wanted, []])}`,
  );
}

/** Whether both are the same but for threads, which may be listed for a while after their end. */
function isSame(one: Resources, other: Resources): boolean {
  return JSON.stringify({ ...one, threads: null }) === JSON.stringify({ ...other, threads: null });
}

/** What the process holds when nothing but the bench itself is open, and every first use is made. */
async function settledResources(engine: EngineUnderTest, underlay: UnderlayBench): Promise<Resources> {
  await (await EngineBench.open(engine, underlay))[Symbol.asyncDispose]();
  let last = resources();
  await turn(); // a handle that is being closed is gone a turn later
  await until(
    () => {
      const now = resources();
      const isSettled = isSame(now, last);
      last = now;
      return isSettled;
    },
    () => JSON.stringify(last),
  );
  return last;
}

/** Tables that know both peers, one of them, one in the other's place, and nobody. */
function tableOfTurn(i: number): ForwardingTable {
  const tables = [PEERS, [PEER_B], [{ ...PEER_A, underlayIp: PEER_B.underlayIp }], [], [PEER_C, PEER_A]];
  return tableOf(tables[i % tables.length] ?? []);
}
