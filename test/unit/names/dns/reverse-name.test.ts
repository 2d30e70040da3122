import { describe, expect, it } from "vitest";
import { parseReverseName } from "../../../../src/names/dns/reverse-name.ts";

describe("parseReverseName", () => {
  it.each([
    ["2.5.244.10.in-addr.arpa", "10.244.5.2"],
    ["255.0.0.198.in-addr.arpa", "198.0.0.255"],
  ])("reads %s", (name, address) => expect(parseReverseName(name)?.toString()).toBe(address));

  it.each([
    ["a network", "5.244.10.in-addr.arpa"],
    ["five octets", "1.2.5.244.10.in-addr.arpa"],
    ["an octet past 255", "256.5.244.10.in-addr.arpa"],
    ["a leading zero", "02.5.244.10.in-addr.arpa"],
    ["an empty label", "2..5.244.10.in-addr.arpa"],
    ["another zone", "2.5.244.10.ip6.arpa"],
    ["something below it", "web.2.5.244.10.in-addr.arpa"],
    ["something behind it", "2.5.244.10.in-addr.arpa.twill"],
    ["nothing before it", "in-addr.arpa"],
    ["nothing", ""],
  ])("reads no name with %s", (_what, name) => expect(parseReverseName(name)).toBeNull());
});
