import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { NODE_FLAGS } from "../../../../src/lab/host/node-flags.ts";

describe("NODE_FLAGS", () => {
  it("are the flags with which bin/twill starts Node.js", () => {
    const script = readFileSync(resolve(import.meta.dirname, "../../../../bin/twill"), "utf8");
    const flags = /^exec "\$node" (.*) "\$root\/src\/cli\/main\.ts" "\$@"$/m.exec(script)?.[1];
    expect(flags?.split(" ")).toEqual(NODE_FLAGS);
  });
});
