import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { endOf } from "../../support/child-output.ts";
import { copyProgram } from "../../support/copied-program.ts";

const EXIT_FAILURE = 1;
/** A command that ends at once and leaves a timer for the process's end to deal with. */
const LEAVES_SOMETHING = `
const { createLogger } = await import(process.env.CHECKOUT + "/src/process/logger.ts");
const { runToEnd } = await import(process.env.CHECKOUT + "/src/process/run-to-end.ts");
process.exitCode = await runToEnd(createLogger("info"), { options: {}, failure: "Cannot work" }, async () => {
  setTimeout(() => undefined, 60_000);
});`;

describe("runToEnd", () => {
  let directory: string;
  let stop: AbortController;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "twill-run-"));
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await rm(directory, { recursive: true });
  });

  /** The status and the lines of the command in a twill with these addons. */
  async function run(addons: readonly string[]): Promise<{ status: unknown; lines: unknown[] }> {
    const checkout = join(directory, "checkout");
    await copyProgram(checkout, addons);
    const child = spawn(process.execPath, ["--input-type=module", "--eval", LEAVES_SOMETHING], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, CHECKOUT: checkout },
      signal: stop.signal,
    });
    child.on("error", () => undefined); // of the abort
    const [status, output] = await Promise.all([endOf(child), text(child.stdout)]);
    const lines = output.trimEnd().split("\n");
    return { status, lines: lines.map((line) => JSON.parse(line) as unknown) };
  }

  it("ends the process with the status of its work, whatever is left", async () => {
    const { status, lines } = await run(["twill_tun.node"]);
    expect(status).toBe(0);
    expect(lines).toMatchObject([
      { level: "info", msg: "Starting" },
      { level: "info", msg: "Stopped" },
      { level: "info", msg: "Not waiting for what cannot be cancelled" },
    ]);
  });

  it("does not begin the work without the addon, which the end may need", async () => {
    const { status, lines } = await run([]);
    expect(status).toBe(EXIT_FAILURE);
    expect(lines).toEqual([
      expect.objectContaining({
        level: "fatal",
        msg: "Cannot work",
        code: "ERR_ADDON_MISSING",
        err: expect.stringContaining("build/twill_tun.node is missing; run scripts/setup") as unknown,
      }),
    ]);
  });
});
