import { expect, it } from "vitest";
import type { AgentStatus } from "../../src/agent/status.ts";
import { eventually } from "../support/eventually.ts";
import { createLab } from "../support/lab.ts";
import { SUBNETS_PREFIX } from "../support/lab-registry.ts";

/** What stands under the prefix without being a lease, or being one that must not be used. */
const HOSTILE: readonly (readonly [key: string, value: string])[] = [
  ["junk", "junk"],
  ["x10.244.200.0-24", '{"PublicIP":"192.0.2.66","PublicIPv6":null}'],
  ["10.244.201.0-24", "not json"],
  ["10.244.202.0-24", '{"__proto__":{"PublicIP":"192.0.2.66"},"constructor":{"prototype":{"polluted":1}}}'],
  ["10.244.203.0-24", '{"PublicIP":"2001:db8::1","PublicIPv6":null}'],
  ["__proto__", '{"PublicIP":"192.0.2.66","PublicIPv6":null}'],
  ["10.244.204.7-24", '{"PublicIP":"192.0.2.66","PublicIPv6":null}'],
  ["0.0.0.0-0", '{"PublicIP":"192.0.2.66","PublicIPv6":null}'],
  ["10.244.205.0-24", '{"PublicIP":"127.0.0.1","PublicIPv6":null}'],
  ["192.0.2.0-24", '{"PublicIP":"192.0.2.66","PublicIPv6":null}'],
  ["10.244.206.0-24", '{"PublicIP":"192.0.2.66","PublicIPv6":null,"BackendType":"x\\n{\\"level\\":60}"}'],
];

/** Its peers, but for the packets that they were sent and sent. */
function withoutCounters({ peers }: AgentStatus): object[] {
  return peers.map((peer) => ({ ...peer, counters: null }));
}

it("loses none of 1,000 pings to keys and values that are junk, lies or attacks", async () => {
  await using lab = await createLab({ hosts: 2 });
  const [first, second] = [lab.host(0), lab.host(1)];
  const peersBefore = withoutCounters(await first.agent.status());
  const linesBefore = (await first.agent.logLines()).length;

  const pings = Promise.all([
    first.pod.ping(second.pod.address, { count: 1_000, intervalMs: 10 }),
    second.pod.ping(first.pod.address, { count: 1_000, intervalMs: 10 }),
  ]);
  for (const [key, value] of HOSTILE) await lab.etcd.etcdctl(["put", "--", SUBNETS_PREFIX + key, value]);

  expect((await pings).map(({ sent, lost }) => ({ sent, lost }))).toEqual([
    { sent: 1_000, lost: 0 },
    { sent: 1_000, lost: 0 },
  ]);
  const status = await eventually(async () => {
    const seen = await first.agent.status();
    const rejected = Object.entries(seen.rejectedLeases).filter(([reason]) => reason !== "own");
    expect(rejected.reduce((sum, [, count]) => sum + count, 0)).toBe(HOSTILE.length);
    return seen;
  });
  expect(withoutCounters(status)).toEqual(peersBefore);

  // At most one line for each, and each line is JSON of its own: nothing that was written breaks out of it.
  const lines = (await first.agent.logLines()).slice(linesBefore);
  const levels = lines.map((line) => (JSON.parse(line) as { level: string }).level);
  const warnings = levels.filter((level) => level !== "info");
  expect(new Set(warnings)).toEqual(new Set(["warn"]));
  expect(warnings.length).toBeLessThanOrEqual(HOSTILE.length);
});
