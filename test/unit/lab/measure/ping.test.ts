import { describe, expect, it } from "vitest";
import { ping } from "../../../../src/lab/measure/ping.ts";
import { Namespace } from "../../../../src/lab/machine/namespace.ts";
import { latePing } from "../../../support/late-ping.ts";

class LateNamespace extends Namespace {
  readonly #late: number;

  constructor(late: number) {
    super("none", "");
    this.#late = late;
  }

  override command([, ...args]: readonly string[]): string[] {
    return latePing({ which: 3, late: this.#late }, args);
  }
}

describe("ping", () => {
  it.each([
    ["10 ms", 10, 90],
    ["2 ms", 2, 450],
  ])(
    "waits for the last answer nearly a second, with requests %s apart",
    async (_apart, intervalMs, late) => {
      const counts = await ping(new LateNamespace(late), "192.0.2.2", { intervalMs });
      expect(counts).toMatchObject({ sent: 3, received: 3, lost: 0 });
    },
  );

  it("waits no longer than it is told", async () => {
    const counts = await ping(new LateNamespace(90), "192.0.2.2", { lingerMs: 500 });
    expect(counts).toMatchObject({ sent: 3, received: 2, lostSequences: [3] });
  });
});
