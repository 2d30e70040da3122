import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  NOT_WRITTEN_YET,
  SubnetFileKeeper,
  WRITE_RETRY_MS,
} from "../../../../src/agent/files/subnet-file-keeper.ts";
import { eventually } from "../../../support/eventually.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { recordLog } from "../../../support/log-lines.ts";

describe("SubnetFileKeeper", () => {
  let directory: string;
  let path: string;
  let clock: FakeClock;
  let outcomes: (string | null)[];
  let recorded: ReturnType<typeof recordLog>;
  let keeper: SubnetFileKeeper;
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "twill-subnet-file-"));
    path = join(directory, "flannel", "subnet.env");
    clock = new FakeClock();
    outcomes = [];
    recorded = recordLog();
    stop = new AbortController();
    keeper = new SubnetFileKeeper({
      path,
      clock,
      log: recorded.log,
      onOutcome: (problem) => outcomes.push(problem),
    });
    running = keeper.run(stop.signal);
  });

  afterEach(async () => {
    stop.abort();
    await running;
    expect(clock.sleeping).toBe(0);
    await rm(directory, { recursive: true });
  });

  it("writes what is wanted, and again what is wanted then", async () => {
    keeper.want("A=1\n");
    await eventually(() => outcomes.at(-1) === null);
    keeper.want("A=2\n");
    await eventually(() => outcomes.length === 4);
    expect(await readFile(path, "utf8")).toBe("A=2\n");
    expect(outcomes).toEqual([NOT_WRITTEN_YET, null, NOT_WRITTEN_YET, null]);
  });

  it("is done when what is there is wanted again before another text was written", async () => {
    keeper.want("A=1\n");
    await eventually(() => outcomes.at(-1) === null);
    keeper.want("A=2\n");
    keeper.want("A=1\n");
    await eventually(() => outcomes.length > 3 && outcomes.at(-1) === null);
    expect(await readFile(path, "utf8")).toBe("A=1\n");
  });

  it("does nothing when the same is wanted again", async () => {
    keeper.want("A=1\n");
    await eventually(() => outcomes.at(-1) === null);
    keeper.want("A=1\n");
    await clock.advance(0);
    expect(outcomes).toHaveLength(2);
  });

  it("retries every 10 s, says so once, leaves no temporary file, and recovers", async () => {
    await writeFile(join(directory, "flannel"), "a file where the directory should be");
    keeper.want("A=1\n");
    await eventually(() => outcomes.length === 2);
    for (let i = 3; i <= 5; i++) {
      await eventually(() => clock.nextWakeMs === WRITE_RETRY_MS);
      await clock.advance(WRITE_RETRY_MS);
      await eventually(() => outcomes.length === i);
    }
    expect(outcomes.at(-1)).toMatch(/^The subnet file cannot be written: Cannot write .*subnet\.env: /);
    expect(recorded.lines.map((line) => line.level)).toEqual(["error"]);
    expect(await readdir(directory)).toEqual(["flannel"]);
    await rm(join(directory, "flannel"));
    await mkdir(join(directory, "flannel"));
    await eventually(() => clock.nextWakeMs === WRITE_RETRY_MS);
    await clock.advance(WRITE_RETRY_MS);
    await eventually(() => outcomes.at(-1) === null);
    expect(await readFile(path, "utf8")).toBe("A=1\n");
    expect(WRITE_RETRY_MS).toBe(10_000);
  });
});
