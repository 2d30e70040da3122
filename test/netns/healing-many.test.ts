/** The kernel's vxlan device of a large network is deleted: a thousand peers are programmed again. */
import { it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { OWN_SUBNETS, WIDE_NETWORK, forgeLeases, leaseWrite } from "../support/forged-leases.ts";
import { VXLAN_KERNEL, heals } from "../support/healing-lab.ts";
import { createLab } from "../support/lab.ts";
import { LeaseWriter } from "../support/lease-writer.ts";

const PEERS = 1_000;
/** The bar is 2 s; the rest is for a busy machine. */
const WITHIN_MS = 6_000;

function linesOf(text: string): number {
  return text.trim().split("\n").length;
}

it("forwards to all of 1,000 peers again after its device was deleted", async () => {
  await using lab = await createLab({
    hosts: 2,
    network: WIDE_NETWORK,
    networkConfig: { ...OWN_SUBNETS, Backend: { Type: "vxlan" } },
    agentFlags: ["--datapath=kernel"],
  });
  await using writer = await LeaseWriter.start(lab);
  await writer.write(forgeLeases(0, PEERS - 1).map((lease) => leaseWrite("vxlan", lease)));
  const place = { way: VXLAN_KERNEL, lab, host: lab.host(0), peer: lab.host(1) };
  for (const host of lab.hosts) {
    const ways = ["ip", "route", "show", "dev", "flannel.1", "proto", "84"];
    const programmed = async (): Promise<boolean> => linesOf(await host.execChecked(ways)) === PEERS;
    await eventually(programmed, { timeoutMs: 15_000, pollMs: 50 });
  }

  const remove = (): Promise<void> => place.host.namespace.ip(["link del flannel.1"]);
  await heals(place, "device of 1,000 peers deleted", remove, { withinMs: WITHIN_MS });
});
