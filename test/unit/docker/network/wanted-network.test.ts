import { describe, expect, it } from "vitest";
import { checkNames } from "../../../../src/docker/network/wanted-network.ts";
import type { NetworkRequest } from "../../../../src/docker/network/wanted-network.ts";

const REQUEST: NetworkRequest = {
  name: "app",
  subnetFile: "/run/flannel/subnet.env",
  bridge: null,
  isPublishedOnly: false,
  overlayDevices: [],
};

describe("checkNames", () => {
  const GOOD: Partial<NetworkRequest>[] = [
    {},
    { name: "A-1_b.c" },
    { bridge: "a" },
    { bridge: "fifteen-letters" },
    { overlayDevices: ["flannel.1", "eth0"] },
    { overlayDevices: ["vpn+home", "-x"] },
  ];
  it.each(GOOD)("takes %j", (differs) => expect(() => checkNames({ ...REQUEST, ...differs })).not.toThrow());

  const BAD: [differs: Partial<NetworkRequest>, message: string][] = [
    [{ name: "" }, 'Cannot use network name "": use letters, digits'],
    [{ name: "-x" }, 'Cannot use network name "-x"'],
    [{ name: "a b" }, 'Cannot use network name "a b"'],
    [{ name: "a\n" }, 'Cannot use network name "a\\u000a"'],
    [{ name: "x".repeat(129) }, "Cannot use network name"],
    [{ name: "bridge" }, 'Cannot use network name "bridge": Docker has a network of that name by itself'],
    [{ name: "host" }, 'Cannot use network name "host"'],
    [{ bridge: "" }, 'Cannot use bridge name "": use 1 to 15 letters'],
    [{ bridge: "sixteen--letters" }, 'Cannot use bridge name "sixteen--letters"'],
    [{ bridge: "a/b" }, 'Cannot use bridge name "a/b"'],
    [{ bridge: "br%d" }, 'Cannot use bridge name "br%d"'],
    [{ bridge: "-x" }, 'Cannot use bridge name "-x"'],
    [{ overlayDevices: ["eth0", "a:b"] }, 'Cannot use overlay device "a:b": no device has such a name'],
  ];
  it.each(BAD)("refuses %j", (differs, message) => {
    expect(() => checkNames({ ...REQUEST, ...differs })).toThrow(message);
  });
});
