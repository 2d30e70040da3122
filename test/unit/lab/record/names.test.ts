import { describe, expect, it } from "vitest";
import {
  checkLabName,
  hostNumber,
  isNamespaceOf,
  namespaceName,
  podName,
} from "../../../../src/lab/record/names.ts";

describe("checkLabName", () => {
  it.each(["lab", "a", "7", "demo-4242", "a-b-c", "x".repeat(24)])("takes %j", (name) => {
    expect(() => checkLabName(name)).not.toThrow();
  });

  it.each(["", "-a", "a-", "A", "a_b", "a b", "a/b", "..", "a\n", "x".repeat(25)])("refuses %j", (name) => {
    expect(() => checkLabName(name)).toThrow(expect.objectContaining({ code: "ERR_OPTION_INVALID" }));
  });
});

describe("isNamespaceOf", () => {
  it.each(["twl-lab-net", "twl-lab-h1", "twl-lab-h50", "twl-lab-h1p1", "twl-lab-h12p100"])(
    "knows %s",
    (name) => {
      expect(isNamespaceOf("lab", name)).toBe(true);
    },
  );

  it.each([
    "twl-lab-",
    "twl-lab",
    "twl-lab-h0",
    "twl-lab-x",
    "twl-lab-h1-h2",
    "twl-labor-h1",
    "lab-h1",
    "twl-lab-h1p0",
  ])("does not claim %s", (name) => expect(isNamespaceOf("lab", name)).toBe(false));

  it("keeps a lab apart from one whose name continues its own", () => {
    expect(isNamespaceOf("lab", namespaceName("lab-h1", "net"))).toBe(false);
    expect(isNamespaceOf("lab-h1", namespaceName("lab-h1", "net"))).toBe(true);
  });
});

describe("podName", () => {
  it("names the pod's host and its number there", () => expect(podName("h12", 3)).toBe("h12p3"));
  it("is no host's name", () => expect(hostNumber(podName("h1", 1))).toBeNull());
});
