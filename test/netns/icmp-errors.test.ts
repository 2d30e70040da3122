import { expect, it } from "vitest";
import { createLab } from "../support/lab.ts";
import type { LabHost } from "../support/lab.ts";

/** Each agent on the way takes one, and each host's kernel. */
const HOPS = 5;

it("tells a pod that nobody has its destination", async () => {
  await using lab = await createLab({ hosts: 1 });
  const host = lab.host(0);
  const tunAddress = (await host.agent.status()).subnet?.replace("/24", "") ?? "";
  const nobody = tunAddress === "10.244.250.0" ? "10.244.251.2" : "10.244.250.2";
  const { stdout } = await host.pod.exec(["ping", "-n", "-c", "1", "-W", "2", nobody]);
  expect(stdout).toContain(`From ${tunAddress} icmp_seq=1 Destination Net Unreachable`);
  expect((await host.agent.status()).counters).toMatchObject({ encapDropNoPeer: 1, icmpSent: 1 });
});

it("shows both agents as hops on the way from pod to pod", async () => {
  await using lab = await createLab({ hosts: 2 });
  const [from, to] = [lab.host(0), lab.host(1)];
  const tunAddress = async ({ agent }: LabHost): Promise<string> =>
    (await agent.status()).subnet?.replace("/24", "") ?? "";
  const trace = ["traceroute", "-n", "-I", "-q", "1", "-N", "1", "-m", `${HOPS}`, to.pod.address];
  const lines = (await from.pod.execChecked(trace)).trim().split("\n").slice(1);
  expect(lines.map((line) => line.trim().split(/\s+/)[1])).toEqual([
    await from.gateway(), // kernel, from the pods' bridge to the TUN
    await tunAddress(from), // agent, encapsulating
    await tunAddress(to), // agent, decapsulating
    await tunAddress(to), // kernel, from the TUN to the pods' bridge
    to.pod.address,
  ]);
});
