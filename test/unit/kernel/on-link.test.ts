import { describe, expect, it } from "vitest";
import { parseOnLink } from "../../../src/kernel/on-link.ts";
import { addressOf } from "../../support/ipv4.ts";

/** From `ip -j -batch -` of iproute2 6.1, one `route get` each; the kernel refused others. */
const ANSWERS = [
  '[{"dst":"192.0.2.7","dev":"u0","prefsrc":"192.0.2.1","flags":[],"uid":0,"cache":[]}]',
  '[{"dst":"203.0.113.1","gateway":"192.0.2.254","dev":"u0","prefsrc":"192.0.2.1","flags":[],"uid":0,"cache":[]}]',
  '[{"dst":"203.0.113.2","via":{"family":"inet6","host":"fe80::1"},"dev":"u0","prefsrc":"192.0.2.1","flags":[],"uid":0,"cache":[]}]',
  '[{"type":"local","dst":"192.0.2.1","dev":"lo","prefsrc":"192.0.2.1","flags":[],"uid":0,"cache":["local"]}]',
  '[{"type":"broadcast","dst":"192.0.2.255","dev":"u0","prefsrc":"192.0.2.1","flags":[],"uid":0,"cache":["local","brd"]}]',
  '[{"dst":"198.51.100.9","dev":"u1","prefsrc":"198.51.100.1","flags":[],"uid":0,"cache":[]}]',
].map((text) => JSON.parse(text) as unknown);

describe("parseOnLink", () => {
  it("has the device of each address that needs no gateway and is no own one", () => {
    expect(parseOnLink(ANSWERS)).toEqual(
      new Map([
        [addressOf("192.0.2.7").value, "u0"],
        [addressOf("198.51.100.9").value, "u1"],
      ]),
    );
  });

  it("reads nothing from what is no answer", () => {
    expect(parseOnLink([null, [{}], [{ dst: "192.0.2.7" }], [{ dst: "x", dev: "u0" }]])).toEqual(new Map());
  });
});
