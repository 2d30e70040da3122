import { describe, expect, it } from "vitest";
import { isDeviceName, isPlainDeviceName } from "../../../src/net/device-name.ts";

const PLAIN = ["a", "eth0", "eth0.100", "flannel.1", "br-1a2b3c4d5e6f", "_x", "0", "fifteen-letters"];
/** Names that a device can have, and that we give to none. */
const ODD = ["-x", ".x", "...", "lan;x", "vpn+home", "a@b", '"', "$(x)", "\\"];
const NO_NAMES = [
  ...["", ".", "..", "all", "default", "sixteen--letters", "tun%d", "a%b", "a/b", "/", "a:b"],
  ...["a b", " a", "a\n", "a\t", "a\v", "a\0", "t\u00fcn", "\u00a0", "\u007f"],
];

describe("isDeviceName", () => {
  it.each([...PLAIN, ...ODD])("takes %j", (name) => expect(isDeviceName(name)).toBe(true));

  it.each(NO_NAMES)("refuses %j", (name) => expect(isDeviceName(name)).toBe(false));
});

describe("isPlainDeviceName", () => {
  it.each(PLAIN)("takes %j", (name) => expect(isPlainDeviceName(name)).toBe(true));

  it.each([...ODD, ...NO_NAMES])("refuses %j", (name) => expect(isPlainDeviceName(name)).toBe(false));
});
