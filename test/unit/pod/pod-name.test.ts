import { describe, expect, it } from "vitest";
import { isPodName, requirePodName } from "../../../src/pod/pod-name.ts";

describe("isPodName", () => {
  it.each(["web", "a", "7", "web-2", "a".repeat(63)])("takes %s", (name) =>
    expect(isPodName(name)).toBe(true),
  );
  it.each(["", ".", "..", "a/b", "../web", "Web", "-web", "web-", "a b", "web\n", "a".repeat(64), ".lock"])(
    "refuses %j",
    (name) => expect(isPodName(name)).toBe(false),
  );
});

describe("requirePodName", () => {
  it("names the value, unfit for a terminal or not, and what is allowed", () => {
    expect(requirePodName("web")).toBe("web");
    expect(() => requirePodName("\u001b[2J")).toThrow(
      expect.objectContaining({
        code: "ERR_OPTION_INVALID",
        message:
          'Cannot use "\\u001b[2J" as the name of a pod: need 1 to 63 lower-case letters, digits and inner hyphens',
      }) as Error,
    );
  });
});
