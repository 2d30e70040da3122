import { describe, expect, it } from "vitest";
import { DEMO_BACKENDS, demoWays, flagsByHost } from "../../../../src/lab/demo/demo-ways.ts";

function wayOf(backend: string, hasKernelVxlan = true): ReturnType<typeof demoWays>[number] {
  const [way] = demoWays(backend, hasKernelVxlan);
  if (way === undefined) throw new Error(`There is no way ${backend}`);
  return way;
}

describe("demoWays", () => {
  it("shows every backend, or the one that is asked for", () => {
    expect(demoWays(null, true).map(({ backend }) => backend)).toEqual(["udp", "vxlan", "host-gw"]);
    for (const only of DEMO_BACKENDS) {
      expect(demoWays(only, true).map(({ backend }) => backend)).toEqual([only]);
    }
  });
});

describe("flagsByHost", () => {
  it("mixes the ways to carry vxlan, in turn", () => {
    expect(flagsByHost(wayOf("vxlan"), 4)).toEqual({
      h1: ["--engine=auto"],
      h2: ["--datapath=kernel"],
      h3: ["--engine=dgram"],
      h4: ["--engine=auto"],
    });
  });

  it("asks for no kernel datapath where the kernel has no vxlan devices", () => {
    expect(flagsByHost(wayOf("vxlan", false), 3)).toEqual({
      h1: ["--engine=auto"],
      h2: ["--engine=dgram"],
      h3: ["--engine=auto"],
    });
    expect(wayOf("vxlan", false).title).toContain("no vxlan devices");
  });

  it.each(["udp", "host-gw"])("leaves the agents of %s as they are", (backend) => {
    expect(flagsByHost(wayOf(backend), 2)).toEqual({ h1: [], h2: [] });
  });
});
