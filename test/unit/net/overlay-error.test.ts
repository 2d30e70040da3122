import { describe, expect, it } from "vitest";
import { OverlayError } from "../../../src/net/overlay-error.ts";

describe("OverlayError", () => {
  it("carries a code, facts and the first error", () => {
    const cause = new Error("EIO: i/o error");
    const err = new OverlayError("ERR_FILE_FAILED", "Cannot save it: EIO", { path: "/run/x" }, { cause });
    expect(err).toBeInstanceOf(Error);
    expect(err).toMatchObject({
      name: "OverlayError",
      code: "ERR_FILE_FAILED",
      fields: { path: "/run/x" },
      cause,
    });
    expect(String(err)).toBe("OverlayError: Cannot save it: EIO");
  });

  it("has no facts unless they are given", () => {
    expect(new OverlayError("ERR_TUN_FAILED", "Cannot open the TUN").fields).toEqual({});
  });
});
