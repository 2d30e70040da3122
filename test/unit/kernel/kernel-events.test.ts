import { describe, expect, it } from "vitest";
import { NETLINK_BITS, loadAddon } from "../../../src/addon/addon.ts";
import { openKernelEvents } from "../../../src/kernel/kernel-events.ts";
import { NO_INTEREST, decodeChanges, encodeInterest } from "../../../src/kernel/kernel-interest.ts";
import { prefixOf } from "../../support/ipv4.ts";
import { countDescriptors } from "../../support/process-resources.ts";

const EINVAL = 22;

/** Words 0 to 11, unsigned, of what is encoded. */
function numbersOf(interest: Parameters<typeof encodeInterest>[0]): number[] {
  return [...new Uint32Array(encodeInterest(interest).buffer).subarray(0, 12)];
}

describe("encodeInterest", () => {
  it("writes the layout of native/os/netlink_parse.h", () => {
    const network = prefixOf("192.0.2.0/24");
    const words = encodeInterest({
      names: ["eth0", "fifteen-letters"],
      indexes: [2, 3],
      deviceIndex: 7,
      network,
    });
    expect(numbersOf({ names: [], indexes: [2, 3], deviceIndex: 7, network })).toEqual([
      ...[2, 3, 0, 0, 0, 0, 0, 0],
      ...[7, 84, 0xc0000200, 0xffffff00],
    ]);
    expect(Buffer.from(words.buffer).toString("latin1", 48)).toBe(
      "eth0".padEnd(16, "\0") + "fifteen-letters\0" + "\0".repeat(32),
    );
  });

  it("has no network at mask 0, and the mask of every length", () => {
    expect(numbersOf(NO_INTEREST)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 84, 0, 0]);
    const masks = ["0.0.0.0/0", "128.0.0.0/1", "192.0.2.1/32"].map(
      (text) => numbersOf({ ...NO_INTEREST, network: prefixOf(text) })[11],
    );
    expect(masks).toEqual([0, 0x80000000, 0xffffffff]);
  });

  it.each<[what: string, names: string[], indexes: number[]]>([
    ["5 names", ["a", "b", "c", "d", "e"], []],
    ["9 indexes", [], [1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ["a name of 16 bytes", ["sixteen-letters-"], []],
    ["a name of 16 bytes in 15 letters", ["fifteen-letterß"], []],
    ["a name with a NUL", ["a\0b"], []],
    ["no name", [""], []],
  ])("refuses %s", (_what, names, indexes) => {
    expect(() => encodeInterest({ ...NO_INTEREST, names, indexes })).toThrow(RangeError);
  });

  it("takes 4 names and 8 indexes", () => {
    const names = ["a", "b", "c", "d"];
    expect(encodeInterest({ ...NO_INTEREST, names, indexes: [1, 2, 3, 4, 5, 6, 7, 8] })).toHaveLength(28);
  });
});

describe("decodeChanges", () => {
  const NOTHING = {
    link: false,
    address: false,
    route: false,
    neighbour: false,
    firewall: false,
    overflow: false,
  };

  it("has a name for each bit, and null for none", () => {
    expect(decodeChanges(0)).toBeNull();
    for (const [name, bit] of Object.entries(NETLINK_BITS)) {
      expect(decodeChanges(bit)).toEqual({ ...NOTHING, [name]: true });
    }
  });
});

describe("NativeAddon.netlinkRead", () => {
  it.each([27, 29])("refuses an interest of %i words", (words) => {
    expect(loadAddon().netlinkRead(0, new Int32Array(words))).toBe(-EINVAL);
  });
});

describe("openKernelEvents", () => {
  it("needs no privilege, can be closed twice and leaves no descriptor", () => {
    const before = countDescriptors();
    const events = openKernelEvents({ onChange: () => undefined });
    expect(events.overflows).toBe(0);
    expect(countDescriptors()).toBe(before + (events.firewallProblem === null ? 2 : 1));
    events.close();
    events.close();
    expect(countDescriptors()).toBe(before);
  });
});
