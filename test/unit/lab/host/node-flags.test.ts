import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { NODE_FLAGS } from "../../../../src/lab/host/node-flags.ts";

const ROOT = resolve(import.meta.dirname, "../../../..");

describe("NODE_FLAGS", () => {
  it("are the flags with which bin/twill and bin/twill-cni start Node.js", () => {
    const read = (path: string): string => readFileSync(resolve(ROOT, path), "utf8");
    const flags = /^TWILL_NODE_FLAGS="(.*)"$/m.exec(read("scripts/node-path.sh"))?.[1];
    expect(flags?.split(" ")).toEqual(NODE_FLAGS);
    expect(read("bin/twill")).toContain('exec "$node" $TWILL_NODE_FLAGS "$root/src/cli/main.mjs" "$@"');
    // Other flags would be another compile cache.
    expect(read("bin/twill-cni")).toContain('exec "$node" $TWILL_NODE_FLAGS "$root/src/cli/cni-main.mjs"\n');
  });
});
