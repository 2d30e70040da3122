import { describe, expect, it } from "vitest";
import { foldName } from "../../../src/net/fold-name.ts";

describe("foldName", () => {
  it.each([
    ["SubnetLen", "subnetlen"],
    ["AbYz", "abyz"],
    ["IPv6SubnetMAX", "ipv6subnetmax"],
    ["\u017fubnetLen", "subnetlen"],
    ["Networ\u212a", "network"],
    ["__proto__", "__proto__"],
    ["", ""],
  ])("folds %s to %s", (name, folded) => expect(foldName(name)).toBe(folded));

  it.each(["\u0130Pv6", "IPV\u0456", "\u00dfubnetLen", "Net\u0000work"])(
    "takes %j for no other name in ASCII letters",
    (name) => expect(foldName(name)).not.toMatch(/^[a-z0-9]+$/),
  );
});
