import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const MODULE = new URL("../../../../src/agent/process/harden-process.ts", import.meta.url).href;
/** Hardened is for life, so it happens in a process of its own. */
const SCRIPT = `
  import { readFileSync } from "node:fs";
  import { hardenProcess } from ${JSON.stringify(MODULE)};
  hardenProcess();
  process.stdout.write(/^Max core file size.*$/m.exec(readFileSync("/proc/self/limits", "utf8"))[0]);
`;

describe("hardenProcess", () => {
  it("sets the limit of core dumps to 0, soft and hard", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", SCRIPT]);
    expect(stdout.trim().split(/\s{2,}/)).toEqual(["Max core file size", "0", "0", "bytes"]);
  });
});
