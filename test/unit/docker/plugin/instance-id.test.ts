import { describe, expect, it } from "vitest";
import { compareDirectories, newInstanceId } from "../../../../src/docker/plugin/state/instance-id.ts";

describe("newInstanceId", () => {
  it("is another one each time, and tells the directory, however that is written", () => {
    const [first, second] = [newInstanceId("/srv/a"), newInstanceId("/srv/b/../a/")];
    expect(first).not.toBe(second);
    expect(compareDirectories(first, second)).toBe("same");
    expect(compareDirectories(first, newInstanceId("/srv/b"))).toBe("other");
  });
});

describe("compareDirectories", () => {
  it("knows an id of the first version only as itself", () => {
    expect(compareDirectories("0badcafe", "0badcafe")).toBe("same");
    expect(compareDirectories("0badcafe", "00000000")).toBe("unknown");
    expect(compareDirectories("0badcafe", "0badcafe.d1d1d1d1d1d1")).toBe("unknown");
    expect(compareDirectories("0badcafe.d1d1d1d1d1d1", "d1d1d1d1d1d1")).toBe("unknown");
  });
});
