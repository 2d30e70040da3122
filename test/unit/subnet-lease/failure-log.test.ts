import { describe, expect, it } from "vitest";
import { FailureLog } from "../../../src/subnet-lease/failure-log.ts";
import { FakeClock } from "../../support/fake-clock.ts";

describe("FailureLog", () => {
  it("tells the first failure, another reason, and once a minute the same", async () => {
    const clock = new FakeClock();
    const failures = new FailureLog(clock);
    const told: string[] = [];
    for (let second = 0; second < 180; second++) {
      const reason = second < 30 ? "no answer" : "denied";
      if (failures.isNews(reason)) told.push(`${second} ${reason}`);
      await clock.advance(1000);
    }
    expect(told).toEqual(["0 no answer", "30 denied", "90 denied", "150 denied"]);
  });

  it("tells reasons that take turns, as two endpoints do, once a minute each", async () => {
    const clock = new FakeClock();
    const failures = new FailureLog(clock);
    let told = 0;
    for (let second = 0; second < 120; second++) {
      if (failures.isNews(second % 2 === 0 ? "refused by the first" : "refused by the second")) told++;
      await clock.advance(1000);
    }
    expect(told).toBe(4);
  });

  it("tells at most 8 in a minute, however often the reason changes", async () => {
    const clock = new FakeClock();
    const failures = new FailureLog(clock);
    let told = 0;
    for (let second = 0; second < 120; second++) {
      if (failures.isNews(`reason ${second}`)) told++;
      await clock.advance(1000);
    }
    expect(told).toBe(16);
  });

  it("tells the same reason again after it worked in between", () => {
    const failures = new FailureLog(new FakeClock());
    expect(failures.clear()).toBe(false);
    expect(failures.isNews("no answer")).toBe(true);
    expect(failures.isNews("no answer")).toBe(false);
    expect(failures.clear()).toBe(true);
    expect(failures.isNews("no answer")).toBe(true);
  });
});
