/** More happens in the kernel than it can tell: what was lost is found by looking. */
import { beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { WAYS, heals, ownRoute, useHealingLabs } from "../support/healing-lab.ts";

/** The bar is 1 s; the rest is for a busy machine that works off 30,000 notifications. */
const WITHIN_MS = 5_000;
/** Each comes and goes. The agent's queue holds 10,000 changes. */
const FOREIGN_ROUTES = 15_000;
const LOST = "Lost notifications of the kernel, auditing all";

const labs = useHealingLabs();
// All of them first: in its first seconds an agent looks anyway, whether it was told of something or not.
beforeAll(async () => {
  for (const way of WAYS) await labs.place(way);
});

/** Commands that make, or remove, routes of somebody else, in the benchmarking range (RFC 2544). */
function foreignRoutes(verb: "add" | "del"): string[] {
  return Array.from({ length: FOREIGN_ROUTES }, (_, i) => {
    const address = `198.18.${Math.floor(i / 250)}.${(i % 250) + 1}`;
    return `route ${verb} ${address}/32 via 198.51.100.7 dev br-other`;
  });
}

describe.each(WAYS)("an agent that misses notifications, with $name", (way) => {
  it("says so, and repairs what it was not told of", async () => {
    const place = await labs.place(way);
    const { host } = place;
    const own = await ownRoute(place);
    const miss = async (): Promise<void> => {
      host.agent.kill("SIGSTOP");
      try {
        await host.namespace.ip([...foreignRoutes("add"), ...foreignRoutes("del")]);
        await host.namespace.ip([`route del ${own.destination} ${own.way} proto 84`]);
      } finally {
        host.agent.kill("SIGCONT");
      }
    };
    const { lines } = await heals(place, "30,000 changes missed", miss, { withinMs: WITHIN_MS });
    const said = lines.filter(({ msg }) => msg === LOST);
    expect(said.length).toBeGreaterThan(0);
    await eventually(async () => (await host.agent.readyz()).code === 200);
  });
});
