import { describe, expect, it } from "vitest";
import { writeUntilEqual } from "../../../../src/kernel/firewall/write-until-equal.ts";
import type { FirewallChange } from "../../../../src/kernel/firewall/write-until-equal.ts";
import { OverlayError } from "../../../../src/net/overlay-error.ts";

const NO_ABORT = new AbortController().signal;
const refusal = (): OverlayError => new OverlayError("ERR_KERNEL_FAILED", "Cannot delete: it went meanwhile");

/** A firewall of two tables that are to hold "wanted"; `onWrite` may do what another program does at that moment. */
class TwoTables {
  readonly held = { nat: "old", filter: "old" };
  reads = 0;
  writes = 0;
  readonly onWrite: (tables: TwoTables) => void;

  constructor(onWrite: (tables: TwoTables) => void = () => undefined) {
    this.onWrite = onWrite;
  }

  async keep(signal = NO_ABORT): Promise<number> {
    return await writeUntilEqual(
      () => {
        this.reads++;
        const places = (["nat", "filter"] as const).filter((name) => this.held[name] !== "wanted");
        return Promise.resolve(places.map((place) => ({ place, script: "wanted" })));
      },
      async ({ place, script }: FirewallChange) => {
        this.writes++;
        await Promise.resolve();
        this.held[place as "nat" | "filter"] = script;
        this.onWrite(this);
      },
      signal,
    );
  }
}

describe("writeUntilEqual", () => {
  it("reads once and writes nothing where nothing differs", async () => {
    const tables = new TwoTables();
    await tables.keep();
    Object.assign(tables, { reads: 0, writes: 0 });

    expect(await tables.keep()).toBe(0);
    expect([tables.reads, tables.writes]).toEqual([1, 0]);
  });

  it("tells how many changes it wrote, and reads again what it wrote", async () => {
    const tables = new TwoTables();
    expect(await tables.keep()).toBe(2);
    expect([tables.reads, tables.writes]).toEqual([2, 2]);
  });

  it("plans anew when a write fails, after it has tried the other changes", async () => {
    const tables = new TwoTables(({ held, writes }) => {
      if (writes !== 1) return;
      held.nat = "another program's";
      throw refusal();
    });

    expect(await tables.keep()).toBe(2); // filter, then nat
    expect(tables.held).toEqual({ nat: "wanted", filter: "wanted" });
    expect(tables.writes).toBe(3);
  });

  it("gives up after three rounds with what the last write threw", async () => {
    const tables = new TwoTables(({ held }) => {
      held.nat = "old";
      throw refusal();
    });
    await expect(tables.keep()).rejects.toThrow("Cannot delete: it went meanwhile");
    expect(tables.reads).toBe(4);
  });

  it("says so when what it writes never stays", async () => {
    const tables = new TwoTables(({ held }) => {
      held.nat = "another program's";
    });
    await expect(tables.keep()).rejects.toMatchObject({
      code: "ERR_KERNEL_FAILED",
      message: expect.stringMatching(
        /^Cannot keep our firewall rules: nat differs again after 3 writes/,
      ) as string,
    });
  });

  it("ends at once, with its reason, when it is aborted", async () => {
    const end = new AbortController();
    const tables = new TwoTables(() => {
      end.abort(new Error("stopped"));
      throw refusal();
    });
    await expect(tables.keep(end.signal)).rejects.toThrow("stopped");
    expect(tables.writes).toBe(1);
  });

  it("does not try again after an error that nobody foresaw", async () => {
    const tables = new TwoTables(() => {
      throw new TypeError("a fault of ours");
    });
    await expect(tables.keep()).rejects.toThrow(TypeError);
    expect(tables.writes).toBe(1);
  });
});
