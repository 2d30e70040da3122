import { describe, expect, it } from "vitest";
import { formatAlias, parseAlias } from "../../../src/docker/device-mark.ts";
import { ENDPOINT_ID } from "./plugin/samples.ts";

describe("parseAlias", () => {
  it("reads a plugin's marks and nothing else", () => {
    const mark = { instanceId: "0badcafe", kind: "endpoint", id: ENDPOINT_ID } as const;
    expect(parseAlias(formatAlias(mark))).toEqual(mark);
    for (const alias of [
      null,
      "",
      "twill",
      "twill-docker:a:b:c",
      "twill-docker:a:network",
      `${formatAlias(mark)}:x`,
      "twill-docker:a b:network:c",
      "twill-docker::network:c",
      `twill-docker:${"a".repeat(65)}:network:c`,
      "twill-docker:a:network:$(c)",
    ])
      expect(parseAlias(alias)).toBeNull();
  });
});
