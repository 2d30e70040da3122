import { describe, expect, it } from "vitest";
import { parseUdpOptions } from "../../../src/backends/udp/udp-options.ts";
import type { JsonValue } from "../../../src/subnet-lease/lease.ts";

const parse = (json: string): { readonly port: number } =>
  parseUdpOptions(JSON.parse(json) as Record<string, JsonValue>);

describe("parseUdpOptions", () => {
  it.each([
    ['{"Type":"udp"}', 8285],
    ['{"Port":1}', 1],
    ['{"Port":65535}', 65535],
    ['{"port":9000}', 9000],
    ['{"PORT":9000,"port":9001}', 9001],
    ['{"Port":null}', 8285],
    ['{"__proto__":{"Port":9000}}', 8285],
  ])("reads %s as port %d", (json, port) => {
    expect(parse(json)).toEqual({ port });
  });

  it.each(["0", "65536", "-1", "8285.5", '"8285"', "true", "[8285]", "{}"])("refuses port %s", (value) => {
    expect(() => parse(`{"Port":${value}}`)).toThrow(
      expect.objectContaining({
        code: "ERR_CONFIG_INVALID",
        message: `Cannot use the udp backend: Backend.Port must be an integer from 1 to 65535, got ${value}`,
      }),
    );
  });
});
