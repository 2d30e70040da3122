import { describe, expect, it } from "vitest";
import { closeAll } from "../../../src/process/close-all.ts";
import { recordLog } from "../../support/log-lines.ts";

describe("closeAll", () => {
  it("closes one after the other, the rest too when one fails, and logs that one", async () => {
    const { log, lines } = recordLog();
    const closed: string[] = [];
    const part = (name: string, failure?: Error) => ({
      async close(): Promise<void> {
        await Promise.resolve();
        closed.push(name);
        if (failure !== undefined) throw failure;
      },
    });
    const throwing = {
      close(): void {
        throw new Error("at once");
      },
    };
    await closeAll([part("socket"), part("registry", new Error("half open")), throwing, part("lock")], log);
    expect(closed).toEqual(["socket", "registry", "lock"]);
    expect(lines.map(({ level, msg }) => `${level}: ${msg}`)).toEqual([
      "error: Cannot close cleanly",
      "error: Cannot close cleanly",
    ]);
  });
});
