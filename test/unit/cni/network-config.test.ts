import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseNetworkConfig } from "../../../src/cni/network-config.ts";
import { SUPPORTED_VERSIONS } from "../../../src/cni/spec-version.ts";

const EXAMPLE = new URL("../../../packaging/cni/10-twill.conflist", import.meta.url);

describe("parseNetworkConfig", () => {
  it("has flannel's default for the subnet file, and a directory of its own", () => {
    expect(parseNetworkConfig('{"name":"n"}')).toEqual({
      name: "n",
      subnetFile: "/run/flannel/subnet.env",
      dataDir: "/var/lib/cni/twill",
    });
  });

  it("reads what a runtime makes of the example", () => {
    const list = JSON.parse(readFileSync(EXAMPLE, "utf8")) as { plugins: object[] };
    const { name, cniVersion, plugins } = { name: "", cniVersion: "", ...list };
    expect(SUPPORTED_VERSIONS).toContain(cniVersion);
    expect(parseNetworkConfig(JSON.stringify({ name, cniVersion, ...plugins[0] }))).toMatchObject({
      name: "twill",
      type: "twill-cni",
      cniVersion: "1.0.0",
      delegate: { isDefaultGateway: true, hairpinMode: true },
    });
  });

  it.each([
    ["", 6, "standard input: it is empty"],
    ["{", 6, "from standard input: "],
    ["[]", 6, "it is no object but []"],
    ["{}", 7, "Cannot use name (absent)"],
    ['{"name":7}', 7, "Cannot use name 7"],
    ['{"name":"../x"}', 7, 'Cannot use name "../x"'],
    ['{"name":"a:b"}', 7, 'Cannot use name "a:b"'],
    ['{"name":"n","subnetFile":"subnet.env"}', 7, "need an absolute path"],
    ['{"name":"n","subnetFile":"/a\\u0000b"}', 7, "need an absolute path"],
    ['{"name":"n","dataDir":""}', 7, 'Cannot use dataDir ""'],
    ['{"name":"n","delegate":[]}', 7, "Cannot use delegate []"],
    ['{"name":"n","ipam":"host-local"}', 7, 'Cannot use ipam "host-local"'],
    ['{"name":"n","cniVersion":1}', 7, "Cannot use cniVersion 1"],
  ])("refuses %s", (text, cniCode, message) => {
    expect(() => parseNetworkConfig(text)).toThrow(
      expect.objectContaining({ cniCode, message: expect.stringContaining(message) as string }),
    );
  });
});
