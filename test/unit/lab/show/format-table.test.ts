import { describe, expect, it } from "vitest";
import { formatTable } from "../../../../src/lab/show/format-table.ts";

describe("formatTable", () => {
  it("aligns columns and leaves no blanks at the end", () => {
    expect(
      formatTable([
        ["HOST", "PODS"],
        ["h1", "-"],
        ["h10000", ""],
      ]),
    ).toBe("HOST    PODS\nh1      -\nh10000\n");
  });
});
