import { describe, expect, it } from "vitest";
import { planLab, plannedPodNamespaces } from "../../../../src/lab/record/lab-plan.ts";
import type { LabOptions } from "../../../../src/lab/record/lab-plan.ts";

const MAKER = { pid: 4242, startTicks: "123456789" };

function plan(options: Partial<LabOptions>): ReturnType<typeof planLab> {
  return planLab({ owner: "user", hosts: 2, ...options }, "/run/labs", MAKER);
}

describe("planLab", () => {
  it("lists every namespace before one is made", () => {
    const record = plan({});
    expect(record).toMatchObject({
      name: "lab",
      stage: "making",
      network: "10.244.0.0/16",
      underlayMtu: 1500,
    });
    expect(record.namespaces).toEqual(["twl-lab-net", "twl-lab-h1", "twl-lab-h2"]);
    expect(plannedPodNamespaces(record, 2)).toEqual([
      "twl-lab-h1p1",
      "twl-lab-h1p2",
      "twl-lab-h2p1",
      "twl-lab-h2p2",
    ]);
  });

  it("gives each test's lab another name and token", () => {
    const [one, two] = [plan({ owner: "test" }), plan({ owner: "test" })];
    expect(one.name).not.toBe(two.name);
    expect(one.token).not.toBe(two.token);
  });

  it.each(["demo", "bench"] as const)("names the lab of a %s after its process", (owner) => {
    expect(plan({ owner }).name).toBe(`${owner}-4242`);
  });

  it("puts the host's name into the path of its subnet file", () => {
    expect(plan({ subnetFile: "/srv/%h/%h.env" }).hosts.map((host) => host.subnetFile)).toEqual([
      "/srv/h1/h1.env",
      "/srv/h2/h2.env",
    ]);
    expect(plan({}).hosts[0]?.subnetFile).toBe("/run/labs/lab/h1/subnet.env");
  });

  it("refuses one subnet file for several hosts, and takes it for one", () => {
    expect(() => plan({ subnetFile: "/srv/subnet.env" })).toThrow("put %h, the host's name, into");
    expect(plan({ hosts: 1, subnetFile: "/srv/subnet.env" }).hosts[0]?.subnetFile).toBe("/srv/subnet.env");
  });

  it("gives every agent the flags for all, then those of its host", () => {
    const flags = { agentFlags: ["--engine=auto"], hostFlags: { h2: ["--engine=dgram", "--queues=1"] } };
    expect(plan(flags).hosts.map((host) => host.agentFlags)).toEqual([
      ["--engine=auto"],
      ["--engine=auto", "--engine=dgram", "--queues=1"],
    ]);
    expect(plan({}).hosts.map((host) => host.agentFlags)).toEqual([[], []]);
  });

  it("refuses flags for a host that it does not make", () => {
    expect(() => plan({ hostFlags: { h3: ["--engine=dgram"] } })).toThrow(
      'Cannot give flags to the agent of "h3": the lab has h1, h2',
    );
  });

  it("counts leaks unless the backend sends in clear, or somebody wants it otherwise", () => {
    const inClear = { networkConfig: { Backend: { Type: "host-gw" } } };
    expect([plan({}), plan(inClear)].map((record) => record.countsLeaks)).toEqual([true, false]);
    const wished = [plan({ countLeaks: false }), plan({ ...inClear, countLeaks: true })];
    expect(wished.map((record) => record.countsLeaks)).toEqual([false, true]);
  });

  it.each([
    { hosts: 0 },
    { hosts: 51 },
    { pods: -1 },
    { underlayMtu: 67 },
    { underlayMtu: 65_536 },
    { name: "A" },
  ])("refuses %j", (options) =>
    expect(() => plan(options)).toThrow(expect.objectContaining({ code: "ERR_OPTION_INVALID" })),
  );
});
