import { describe, expect, it } from "vitest";
import { parseNetworkConfig } from "../../../src/cni/network-config.ts";
import { planDelegate, subnetOf, withGateways, withPrevResult } from "../../../src/cni/plan-delegate.ts";
import type { DelegateConfig } from "../../../src/cni/plan-delegate.ts";
import { parseSubnetFile } from "../../../src/files/subnet-file.ts";
import type { SubnetFile } from "../../../src/files/subnet-file.ts";

/** The subnet file in the manual of flannel's plugin. */
const SUBNET_FILE = [
  "FLANNEL_NETWORK=10.1.0.0/16",
  "FLANNEL_SUBNET=10.1.17.1/24",
  "FLANNEL_MTU=1472",
  "FLANNEL_IPMASQ=true",
].join("\n");

function subnetFile(text = SUBNET_FILE): SubnetFile {
  const file = parseSubnetFile(text);
  if (file === null) throw new Error("the test's subnet file is wrong");
  return file;
}

/** What the delegate is told for a network with these members beside the name. */
function plan(members: object, file = subnetFile()): DelegateConfig {
  return planDelegate(
    parseNetworkConfig(JSON.stringify({ name: "mynet", type: "flannel", ...members })),
    file,
  );
}

/** What follows from the subnet file alone. */
const FROM_SUBNET_FILE = {
  name: "mynet",
  type: "bridge",
  mtu: 1472,
  ipMasq: false,
  isGateway: true,
  ipam: {
    type: "host-local",
    ranges: [[{ subnet: "10.1.17.0/24" }]],
    routes: [{ dst: "10.1.0.0/16" }],
  },
};

describe("planDelegate", () => {
  it("makes of flannel's simplest network what flannel's plugin makes of it", () => {
    expect(plan({})).toEqual(FROM_SUBNET_FILE);
    expect(plan({ delegate: null, ipam: null, cniVersion: "" })).toEqual(FROM_SUBNET_FILE);
  });

  it("has the delegate masquerade where the agent does not", () => {
    expect(plan({}, subnetFile(SUBNET_FILE.replace("true", "false")))).toMatchObject({ ipMasq: true });
  });

  it("takes what the user wants of the delegate before what follows from the subnet file", () => {
    const delegate = { bridge: "mynet0", mtu: 1400, ipMasq: true, isGateway: false, hairpinMode: true };
    expect(plan({ delegate })).toEqual({ ...FROM_SUBNET_FILE, ...delegate });
  });

  it("delegates to another plugin, which is no gateway", () => {
    const { isGateway, ...others } = FROM_SUBNET_FILE;
    expect(isGateway).toBe(true);
    expect(plan({ delegate: { type: "ipvlan", master: "eth0" } })).toEqual({
      ...others,
      type: "ipvlan",
      master: "eth0",
    });
  });

  it("builds the address management on the user's: own routes first, ranges always the subnet's", () => {
    const routes = [{ dst: "10.96.0.0/12" }, { dst: "192.168.244.0/24", gw: "10.1.17.20" }];
    const ipam = { type: "my-ipam", "unknown-param": "unknown-value", routes, ranges: [] };
    expect(plan({ ipam })).toEqual({
      ...FROM_SUBNET_FILE,
      ipam: {
        type: "my-ipam",
        "unknown-param": "unknown-value",
        ranges: [[{ subnet: "10.1.17.0/24" }]],
        routes: [...routes, { dst: "10.1.0.0/16" }],
      },
    });
  });

  it("passes on the version, and what the runtime says of the container", () => {
    const runtimeConfig = { portMappings: [{ hostPort: 8080, containerPort: 80 }], ips: ["10.1.17.9"] };
    const members = { cniVersion: "0.4.0", runtimeConfig, args: { cni: { mac: "02:00:00:00:00:01" } } };
    const delegate = { runtimeConfig: { lost: true }, cniVersion: "0.3.0" };
    expect(plan({ ...members, delegate })).toEqual({ ...FROM_SUBNET_FILE, ...members });
  });

  it("passes on the network's DNS unless the delegate has its own", () => {
    const dns = { nameservers: ["192.0.2.53"] };
    expect(plan({ dns }).dns).toEqual(dns);
    expect(plan({ dns, delegate: { dns: {} } }).dns).toEqual({});
  });

  it.each([
    [{ delegate: { name: "other" } }, 'Cannot use delegate.name "other"'],
    [{ delegate: { ipam: {} } }, "Cannot use delegate.ipam {}"],
    [{ delegate: { type: 7 } }, "Cannot use delegate.type 7"],
    [{ delegate: { type: "../bridge" } }, 'Cannot use delegate.type "../bridge"'],
    [{ delegate: { type: "flannel" } }, 'Cannot use delegate.type "flannel"'], // ourselves
    [{ ipam: { routes: { dst: "10.96.0.0/12" } } }, "Cannot use ipam.routes"],
    [{ ipam: { routes: ["10.96.0.0/12"] } }, "Cannot use ipam.routes"],
  ])("refuses %j", (members, message) => {
    expect(() => plan(members)).toThrow(
      expect.objectContaining({ cniCode: 7, message: expect.stringContaining(message) as string }),
    );
  });
});

describe("withPrevResult", () => {
  it("gives the chain's result and the version it is written in, or leaves all as it was stored", () => {
    const stored = plan({ cniVersion: "0.4.0" });
    const withoutResult = parseNetworkConfig('{"name":"mynet","cniVersion":"1.0.0"}');
    const prevResult = { cniVersion: "1.0.0", ips: [] };
    expect(withPrevResult(stored, withoutResult)).toBe(stored);
    expect(withPrevResult(stored, { ...withoutResult, prevResult })).toEqual({
      ...stored,
      cniVersion: "1.0.0",
      prevResult,
    });
  });
});

describe("withGateways", () => {
  it("gives each route without a gateway that of its family's address, as bridge does", () => {
    const ips = [{ address: "10.1.17.2/24", gateway: "10.1.17.1" }, { address: "2001:db8::2/64" }];
    const routes = [{ dst: "10.1.0.0/16" }, { dst: "0.0.0.0/0", gw: "10.1.17.9" }, { dst: "2001:db8::/48" }];
    expect(withGateways({ ips, routes })).toEqual({
      ips,
      routes: [{ dst: "10.1.0.0/16", gw: "10.1.17.1" }, ...routes.slice(1)],
    });
    const ips6 = [...ips, { address: "2001:db8:1::2/64", gateway: "2001:db8:1::1" }];
    expect(withGateways({ ips: ips6, routes }).routes).toContainEqual({
      dst: "2001:db8::/48",
      gw: "2001:db8:1::1",
    });
  });

  it("leaves alone what is no result", () => {
    for (const result of [
      {},
      { ips: [] },
      { ips: 7, routes: [] },
      { ips: [7], routes: [7, {}, { dst: "10.1.0.0/16" }] },
    ])
      expect(withGateways(result)).toEqual(result);
  });
});

describe("subnetOf", () => {
  it("reads back what was planned, and nothing from what was not", () => {
    expect(subnetOf(plan({}))).toBe("10.1.17.0/24");
    for (const ipam of [
      undefined,
      null,
      {},
      { ranges: [] },
      { ranges: [[7]] },
      { ranges: [[{ subnet: 7 }]] },
    ])
      expect(subnetOf({ type: "bridge", ipam })).toBeNull();
  });
});
