import { describe, expect, it } from "vitest";
import { CNI_NAME } from "../../../src/cni/plugin-request.ts";
import { isContainerId, newContainerId } from "../../../src/pod/container-id.ts";

describe("newContainerId", () => {
  it("is another one each time, and what the CNI specification allows", () => {
    const ids = ["7-web", "7-web", "a".repeat(63)].map(newContainerId);
    expect(new Set(ids)).toHaveLength(3);
    for (const id of ids) expect([CNI_NAME.test(id), isContainerId(id)]).toEqual([true, true]);
  });
});

describe("isContainerId", () => {
  it.each(["", "twill-pod-web", "twill-pod-../web.0123456789abcdef", "twill-pod-web.0123456789abcdef\n"])(
    "refuses %j",
    (text) => expect(isContainerId(text)).toBe(false),
  );
});
