import { accessSync, constants } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { howToTry, programName } from "../../../src/cli/lab-hints.ts";

const CHECKOUT = resolve(import.meta.dirname, "../../..");

describe("programName", () => {
  it.each([
    [CHECKOUT, "bin/twill"],
    [dirname(CHECKOUT), relative(dirname(CHECKOUT), join(CHECKOUT, "bin/twill"))],
    [join(CHECKOUT, "bin"), join(CHECKOUT, "bin/twill")], // `twill` alone would be looked up in PATH
    ["/", join(CHECKOUT, "bin/twill").slice(1)],
    [join(CHECKOUT, "docs"), join(CHECKOUT, "bin/twill")],
  ])("names in %s a program that is there: %s", (cwd, name) => {
    expect(programName(cwd)).toBe(name);
    accessSync(resolve(cwd, name), constants.X_OK);
  });
});

describe("howToTry", () => {
  const lab = {
    program: "bin/twill",
    suffix: " --name x",
    directory: "/run/twill-lab/x",
    device: "flannel.1",
  };

  it("has commands that name program and lab", () => {
    const pods = [
      { name: "h1p1", address: "10.244.1.2" },
      { name: "h2p1", address: "10.244.2.2" },
    ];
    expect(howToTry({ ...lab, pods })).toBe(`\
Try:
  bin/twill lab exec --name x h1p1 -- ping -c 3 10.244.2.2
  bin/twill lab exec --name x h1 -- ip route
  bin/twill lab exec --name x h1 -- ip -d -s link show flannel.1
  bin/twill lab status --name x
  bin/twill status --run-dir /run/twill-lab/x/h1/run
  bin/twill lab down --name x
Logs and files: /run/twill-lab/x
`);
  });

  it("looks at no device where the hosts have none of their own", () => {
    expect(howToTry({ ...lab, device: null, pods: [] })).not.toContain("ip -d -s link");
  });

  it("pings nobody when there are no two pods", () => {
    expect(howToTry({ ...lab, pods: [] })).not.toContain("ping");
  });
});
