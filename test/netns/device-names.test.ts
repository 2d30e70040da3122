/** The rule for the names of devices against the kernel's: `ip` makes a device of every name that it takes, and no other. */
import { expect, it } from "vitest";
import { isDeviceName } from "../../src/net/device-name.ts";
import { NetworkNamespace } from "../support/network-namespace.ts";

/** Every printable character of ASCII, between others and alone; and names that are more than characters. */
const CHARACTERS = Array.from({ length: 0x5f }, (_, i) => String.fromCharCode(0x20 + i));
const NAMES = [
  ...CHARACTERS.map((character) => `x${character}y`),
  ...["", ".", "..", "...", "-x", "all", "default", "tun%d", "fifteen-letters", "sixteen--letters", "a\tb"],
];

it("isDeviceName tells what the kernel takes for a device", async () => {
  await using host = await NetworkNamespace.create();
  const made = await Promise.all(
    NAMES.map(async (name) => {
      const add = host.run("ip", ["link", "add", "name", name, "type", "bridge"]);
      return await add.then(
        () => true,
        () => false,
      );
    }),
  );
  expect(made.length).toBeGreaterThan(100);
  const links = JSON.parse(await host.run("ip", ["-j", "link", "show", "type", "bridge"])) as {
    ifname?: string;
  }[];
  const present = new Set(links.map(({ ifname }) => ifname));
  // Of a template it makes a device of another name.
  const taken = NAMES.filter((name, i) => made[i] === true && present.has(name));
  expect(taken).toEqual(NAMES.filter(isDeviceName));
});
