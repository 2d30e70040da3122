import { describe, expect, it } from "vitest";
import { NameTable } from "../../../../src/names/name-table.ts";
import { MAX_HOSTS, followNames } from "../../../../src/names/record/follow-names.ts";
import { namesKey } from "../../../../src/names/record/names-record.ts";
import { Ipv4Prefix } from "../../../../src/net/ipv4.ts";
import { MemoryRegistry } from "../../../../src/subnet-lease/memory-registry.ts";
import { eventually } from "../../../support/eventually.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { addressOf, prefixOf } from "../../../support/ipv4.ts";
import { recordLog } from "../../../support/log-lines.ts";

const PREFIX = "/test";
const VALUE = { kind: "put", value: '{"names":{}}', etcdLeaseId: 0n } as const;

describe("followNames", () => {
  it("follows so many hosts and says that there are more", async () => {
    const clock = new FakeClock();
    const registry = new MemoryRegistry(clock);
    const stop = new AbortController();
    const { signal } = stop;
    for (let i = 0; i < MAX_HOSTS + 1; i++) {
      const subnet = new Ipv4Prefix(addressOf("10.0.0.0").plus(i * 256), 24);
      await registry.commit(namesKey(PREFIX, subnet), 0n, VALUE, signal);
    }
    const { log, lines } = recordLog();
    const table = new NameTable();
    const network = prefixOf("10.0.0.0/8");
    const ownSubnet = prefixOf("10.200.0.0/24");
    const following = followNames(
      { registry, prefix: PREFIX, network, ownSubnet, table, clock, random: () => 0, log },
      signal,
    );
    await eventually(() => lines.length > 0);
    expect(table.hosts).toBe(MAX_HOSTS);
    expect(lines.map(({ reason }) => reason)).toEqual([`there are ${MAX_HOSTS} hosts already`]);
    stop.abort();
    await following;
    expect(clock.sleeping).toBe(0);
  });
});
