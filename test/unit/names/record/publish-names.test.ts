import { describe, expect, it } from "vitest";
import { NamesBuilder } from "../../../../src/names/record/host-names.ts";
import { MAX_RECORD_BYTES } from "../../../../src/names/record/names-record.ts";
import { NamesPublisher } from "../../../../src/names/record/publish-names.ts";
import { MemoryRegistry } from "../../../../src/subnet-lease/memory-registry.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { prefixOf } from "../../../support/ipv4.ts";
import { recordLog } from "../../../support/log-lines.ts";

const SUBNET = prefixOf("10.244.5.0/24");
const TOO_MANY = "Too many names for one record, other hosts do not learn the last";

/** A publisher that has not begun to run: it logs what it cannot publish nevertheless. */
function createPublisher(): { publisher: NamesPublisher; lines: readonly object[] } {
  const { log, lines } = recordLog();
  const clock = new FakeClock();
  const deps = { registry: new MemoryRegistry(clock), clock, random: () => 0, log };
  return {
    publisher: new NamesPublisher({ ...deps, prefix: "/test", subnet: SUBNET, ttlSeconds: 60 }),
    lines,
  };
}

/** As many containers as a /24 has, each with its own name, and further names of one of them. */
function publish(publisher: NamesPublisher, furtherNames: number): void {
  const builder = new NamesBuilder();
  const domain = `${"x".repeat(60)}.${"y".repeat(22)}`;
  for (let i = 1; i < 255; i++) builder.addOwner(`web-${100 + i}.${domain}`, SUBNET.address.plus(i));
  for (let i = 0; i < furtherNames; i++) builder.add(`z-${1000 + i}.${domain}`, SUBNET.address.plus(1));
  publisher.publish(builder.build());
}

describe("NamesPublisher.publish", () => {
  it("says once that reverse names are left out, and once more that names are", () => {
    const { publisher, lines } = createPublisher();
    for (const furtherNames of [0, 100, 200, 201]) publish(publisher, furtherNames);
    expect(lines).toEqual([
      expect.objectContaining({
        level: "warn",
        msg: `${TOO_MANY} addresses' reverse names`,
        leftOutNames: 0,
        maxBytes: MAX_RECORD_BYTES,
      }),
    ]);
    for (const furtherNames of [500, 501]) publish(publisher, furtherNames);
    expect(lines.slice(1)).toEqual([
      expect.objectContaining({ level: "warn", msg: `${TOO_MANY} ones`, leftOutOwners: 254 }),
    ]);
  });

  it("says so of the first name that does not fit, which leaves the record's text as it was", () => {
    const { publisher, lines } = createPublisher();
    for (let furtherNames = 300; furtherNames <= 500; furtherNames++) publish(publisher, furtherNames);
    expect(lines.slice(1)).toEqual([expect.objectContaining({ msg: `${TOO_MANY} ones`, leftOutNames: 1 })]);
  });

  it("says it again after everything fitted", () => {
    const { publisher, lines } = createPublisher();
    for (const furtherNames of [500, 0, 500]) publish(publisher, furtherNames);
    expect(lines).toHaveLength(2);
  });
});
