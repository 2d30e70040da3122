import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BenchResult } from "../../../src/bench/bench-result.ts";
import { ResultFile } from "../../../src/bench/result-file.ts";

const RESULT = { schema: "twill-bench-datapath" } as BenchResult;
const RESULT_TEXT = '{\n  "schema": "twill-bench-datapath"\n}\n';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "twill-bench-"))));
afterEach(() => rmSync(directory, { recursive: true }));

describe("ResultFile", () => {
  it("makes the directory and holds the result", async () => {
    const path = join(directory, "a", "b", "result.json");
    const file = await ResultFile.open(path);
    await file.write(RESULT);
    await file.close();
    expect(readFileSync(path, "utf8")).toBe(RESULT_TEXT);
  });

  it("keeps an earlier result until there is another, and then nothing of it", async () => {
    const path = join(directory, "result.json");
    const earlier = "earlier".repeat(100);
    writeFileSync(path, earlier);
    await (await ResultFile.open(path)).close();
    expect(readFileSync(path, "utf8")).toBe(earlier);

    const file = await ResultFile.open(path);
    await file.write(RESULT);
    await file.close();
    expect(readFileSync(path, "utf8")).toBe(RESULT_TEXT);
  });

  it("leaves no file when nothing was written", async () => {
    const path = join(directory, "result.json");
    const file = await ResultFile.open(path);
    expect(existsSync(path)).toBe(true);
    await file.close();
    expect(existsSync(path)).toBe(false);
  });

  it("writes to what is no file of a disk", async () => {
    const file = await ResultFile.open("/dev/null");
    await file.write(RESULT);
    await file.close();
    expect(existsSync("/dev/null")).toBe(true);
  });

  it("refuses at once what cannot be opened", async () => {
    await expect(ResultFile.open(directory)).rejects.toMatchObject({
      code: "ERR_OPTION_INVALID",
      message: expect.stringMatching(`^Cannot write ${directory}: EISDIR`) as string,
    });
  });

  it("tells of a disk that is full", async () => {
    const file = await ResultFile.open("/dev/full");
    await expect(file.write(RESULT)).rejects.toMatchObject({
      code: "ERR_LAB_FAILED",
      message: expect.stringMatching("^Cannot write /dev/full: ENOSPC") as string,
    });
    await file.close();
  });
});
