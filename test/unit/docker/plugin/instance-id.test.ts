import { describe, expect, it } from "vitest";
import { haveSameDirectory, newInstanceId } from "../../../../src/docker/plugin/state/instance-id.ts";

describe("newInstanceId", () => {
  it("is another one each time, and tells the directory, however that is written", () => {
    const [first, second] = [newInstanceId("/srv/a"), newInstanceId("/srv/b/../a/")];
    expect(first).not.toBe(second);
    expect(haveSameDirectory(first, second)).toBe(true);
    expect(haveSameDirectory(first, newInstanceId("/srv/b"))).toBe(false);
  });
});

describe("haveSameDirectory", () => {
  it("knows an id of the first version only as itself", () => {
    expect(haveSameDirectory("0badcafe", "0badcafe")).toBe(true);
    expect(haveSameDirectory("0badcafe", "00000000")).toBe(false);
    expect(haveSameDirectory("0badcafe", "0badcafe.d1d1d1d1d1d1")).toBe(false);
    expect(haveSameDirectory("0badcafe.d1d1d1d1d1d1", "d1d1d1d1d1d1")).toBe(false);
  });
});
