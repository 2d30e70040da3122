import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadCniConfig, ownCniConfig, parseCniConfig } from "../../../src/pod/cni-config.ts";

const BRIDGE = { cniVersion: "0.3.1", name: "pods", type: "bridge", ipam: { type: "host-local" } };

describe("parseCniConfig", () => {
  it("takes the configuration of one plugin, with members of its own", () => {
    expect(parseCniConfig(JSON.stringify(BRIDGE))).toEqual(BRIDGE);
    for (const cniVersion of ["0.3.0", "0.4.0", "1.0.0", "1.1.0"])
      expect(parseCniConfig(JSON.stringify({ ...BRIDGE, cniVersion }))).not.toBeNull();
  });

  it.each([
    ["no JSON", "{"],
    ["a list", "[]"],
    ["null", "null"],
    ["a list of plugins", JSON.stringify({ cniVersion: "1.0.0", name: "pods", plugins: [BRIDGE] })],
    ["a version whose results have no list of addresses", JSON.stringify({ ...BRIDGE, cniVersion: "0.2.0" })],
    ["a version that is a number", JSON.stringify({ ...BRIDGE, cniVersion: 1 })],
    ["a type that is a path", JSON.stringify({ ...BRIDGE, type: "../bin/sh" })],
    ["no name", JSON.stringify({ ...BRIDGE, name: undefined })],
  ])("refuses %s", (_what, text) => expect(parseCniConfig(text)).toBeNull());
});

describe("ownCniConfig", () => {
  it("is one that it takes itself, and names the subnet file", () => {
    const config = ownCniConfig("/run/flannel/subnet.env");
    expect(parseCniConfig(JSON.stringify(config))).toEqual({
      cniVersion: "1.0.0",
      name: "twill",
      type: "twill-cni",
      subnetFile: "/run/flannel/subnet.env",
    });
  });
});

describe("loadCniConfig", () => {
  it("reads a file, and says what is wrong with it", async () => {
    const directory = await mkdtemp(join(tmpdir(), "twill-cni-config-"));
    try {
      const path = join(directory, "bridge.json");
      await expect(loadCniConfig(path)).rejects.toMatchObject({ code: "ERR_FILE_FAILED" });
      await writeFile(path, JSON.stringify(BRIDGE));
      expect(await loadCniConfig(path)).toEqual(BRIDGE);
      await writeFile(path, JSON.stringify({ ...BRIDGE, cniVersion: "0.2.0" }));
      await expect(loadCniConfig(path)).rejects.toMatchObject({
        code: "ERR_OPTION_INVALID",
        message: expect.stringContaining(
          `${path}: need one JSON object with cniVersion (0.3.0 or newer)`,
        ) as string,
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
