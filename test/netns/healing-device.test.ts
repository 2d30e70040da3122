/** What an overlay device goes through by other people's hands, and comes back from. */
import { describe, it } from "vitest";
import { TUNNELS, VXLAN_KERNEL, heals, useHealingLabs } from "../support/healing-lab.ts";
import type { Way } from "../support/healing-lab.ts";

/** The bar is 2 s; the rest is for a busy machine. */
const WITHIN_MS = 5_000;
/** What the packet engine says of a TUN that is gone; it cannot know that another one comes. */
const TUN_IS_GONE = "Cannot read a queue of the TUN, its packets leave this host no more";

const labs = useHealingLabs();

/** Runs lines of `ip` on the host of this way, and waits until nothing of it is left to see. */
async function healsAfter(way: Way, what: string, lines: (device: string) => string[]): Promise<void> {
  const place = await labs.place(way);
  const device = way.deviceName ?? "";
  await heals(place, what, () => place.host.namespace.ip(lines(device)), {
    withinMs: WITHIN_MS,
    expectedErrors: [TUN_IS_GONE],
  });
}

describe.each(TUNNELS)("the overlay device of $name", (way) => {
  it("is made again with all that leads into it when somebody deletes it", async () => {
    await healsAfter(way, "device deleted", (device) => [`link del ${device}`]);
  });

  it("is set up again", async () => {
    await healsAfter(way, "device set down", (device) => [`link set ${device} down`]);
  });

  it("gets back its address, its MTU and its mark", async () => {
    const place = await labs.place(way);
    const own = (await place.host.subnetFile()).subnet.address.toString();
    await healsAfter(way, "address, MTU and alias changed", (device) => [
      `address del ${own}/32 dev ${device}`,
      `address add 10.244.199.7/32 dev ${device}`,
      `link set ${device} mtu 1300 alias mine`,
    ]);
  });
});

describe("the kernel's vxlan device", () => {
  it("gets back its MAC", async () => {
    await healsAfter(VXLAN_KERNEL, "MAC changed", (device) => [
      `link set ${device} address 02:00:5e:00:53:01`,
    ]);
  });

  it("gets back where it sends from, and learns nothing", async () => {
    await healsAfter(VXLAN_KERNEL, "local and learning changed", (device) => [
      `link set ${device} type vxlan id 1 dev eth0 local 192.0.2.77 learning`,
    ]);
  });
});
