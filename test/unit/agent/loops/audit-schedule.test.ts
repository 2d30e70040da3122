import { beforeEach, describe, expect, it } from "vitest";
import { AuditSchedule } from "../../../../src/agent/loops/audit-schedule.ts";

const EVERY_MS = 30_000;
/** When the first audit has ended. */
const START_MS = 100_000;

let schedule: AuditSchedule;

/** An audit that writes for 10 ms, during which our own changes come back as events. */
function audit(atMs: number, repairs: number): void {
  schedule.begin(atMs);
  schedule.beginWrite();
  if (repairs > 0) schedule.doubt(atMs + 5);
  schedule.endWrite(atMs + 10);
  schedule.done(atMs + 10, repairs);
}

beforeEach(() => {
  schedule = new AuditSchedule(EVERY_MS);
  audit(START_MS - 10, 0);
});

describe("AuditSchedule", () => {
  it("wants an audit at once at the start, and then one now and then", () => {
    expect(new AuditSchedule(EVERY_MS).dueMs).toBe(-Infinity);
    expect(schedule.dueMs).toBe(START_MS + EVERY_MS);
  });

  it("answers a burst of changes with one audit, as soon as it has settled", () => {
    for (const ms of [1_000, 1_020, 1_040]) schedule.doubt(START_MS + ms);
    expect(schedule.dueMs).toBe(START_MS + 1_050);
    audit(START_MS + 1_050, 0);
    expect(schedule.dueMs).toBe(START_MS + 1_060 + EVERY_MS);
  });

  it("lets half a second pass between two audits that found nothing", () => {
    schedule.doubt(START_MS + 100);
    expect(schedule.dueMs).toBe(START_MS + 500);
  });

  it("lets a second pass after a repair, whoever fights us", () => {
    audit(START_MS + 1_000, 1);
    schedule.doubt(START_MS + 1_100);
    expect(schedule.dueMs).toBe(START_MS + 2_010);
  });

  it("looks once more a second after a repair: what came back with it may be somebody else's", () => {
    audit(START_MS + 1_000, 1);
    expect(schedule.dueMs).toBe(START_MS + 2_010);
    schedule.doubt(START_MS + 1_030); // still an echo
    expect(schedule.dueMs).toBe(START_MS + 2_010);
    audit(START_MS + 2_010, 0);
    expect(schedule.dueMs).toBe(START_MS + 2_020 + EVERY_MS);
  });

  it("does so also when what came with it was told only afterwards", () => {
    schedule.begin(START_MS + 1_000);
    schedule.beginWrite();
    schedule.endWrite(START_MS + 1_010);
    schedule.done(START_MS + 1_010, 1);
    schedule.doubt(START_MS + 1_030);
    expect(schedule.dueMs).toBe(START_MS + 2_030);
  });

  it("takes what comes during an audit that wrote nothing for somebody else's", () => {
    schedule.begin(START_MS + 1_000);
    schedule.beginWrite();
    schedule.doubt(START_MS + 1_005);
    schedule.endWrite(START_MS + 1_010);
    schedule.done(START_MS + 1_010, 0);
    expect(schedule.dueMs).toBe(START_MS + 1_510);
    audit(START_MS + 1_510, 0);
    schedule.doubt(START_MS + 1_530);
    expect(schedule.dueMs).toBe(START_MS + 2_020);
  });

  it("looks seconds later at what comes back with a change of peers", () => {
    schedule.beginWrite();
    schedule.doubt(START_MS + 1_000);
    schedule.endWrite(START_MS + 1_001);
    schedule.doubt(START_MS + 1_030);
    expect(schedule.dueMs).toBe(START_MS + 6_000);
    schedule.doubt(START_MS + 1_032); // no echo any more
    expect(schedule.dueMs).toBe(START_MS + 1_082);
  });

  it("wants an audit at once when nobody knows what stands", () => {
    schedule.demand();
    expect(schedule.dueMs).toBe(-Infinity);
  });

  it("takes a tenth of the time at most where audits take long", () => {
    schedule.begin(START_MS + 1_000);
    schedule.done(START_MS + 1_300, 0);
    schedule.doubt(START_MS + 1_400);
    expect(schedule.dueMs).toBe(START_MS + 1_300 + 3_000);
  });

  it("is never due by the clock alone where no time is set", () => {
    const without = new AuditSchedule(Infinity);
    expect(without.dueMs).toBe(-Infinity);
    without.done(START_MS, 0);
    expect(without.dueMs).toBe(Infinity);
  });
});
