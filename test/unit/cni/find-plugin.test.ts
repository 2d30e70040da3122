import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findPlugin } from "../../../src/cni/call/find-plugin.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "twill-find-plugin-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe("findPlugin", () => {
  it("gives the first file that may be run, past what is none", () => {
    const [absent, folder, plain, first, second] = ["a", "b", "c", "d", "e"].map((name) =>
      join(directory, name),
    );
    mkdirSync(join(folder ?? "", "bridge"), { recursive: true });
    for (const [at, mode] of [
      [plain, 0o644],
      [first, 0o755],
      [second, 0o755],
    ] as const) {
      mkdirSync(at ?? "");
      writeFileSync(join(at ?? "", "bridge"), "");
      chmodSync(join(at ?? "", "bridge"), mode);
    }
    const path = [absent, folder, plain, first, second].map((one) => one ?? "");
    expect(findPlugin("bridge", path)).toBe(join(first ?? "", "bridge"));
    expect(findPlugin("bridge", path.slice(0, 3))).toBeNull();
    expect(findPlugin("bridge", [])).toBeNull();
  });
});
