import { describe, expect, it } from "vitest";
import { formatAlias } from "../../../../../src/docker/device-mark.ts";
import {
  devicesOfNetwork,
  strayDevices,
  devicesOfUnknownNetwork,
  devicesOfEndpoint,
} from "../../../../../src/docker/plugin/links/find-devices.ts";
import type { PluginState } from "../../../../../src/docker/plugin/state/plugin-state.ts";
import { EMPTY, ENDPOINT_ID, NETWORK, NETWORK_ID, OTHER_ENDPOINT_ID, OTHER_ID } from "../samples.ts";
import { BRIDGE, BRIDGE_ALIAS, PORT, PORT_ALIAS, STATE, WHOLE, hostWith, linkOf } from "./host-samples.ts";

describe("devices to be deleted", () => {
  it("are what is there and ours", () => {
    expect(devicesOfNetwork(STATE, NETWORK, WHOLE)).toEqual([PORT, BRIDGE]);
    expect(devicesOfEndpoint(STATE, ENDPOINT_ID, WHOLE)).toEqual([PORT]);
    expect(devicesOfEndpoint(STATE, ENDPOINT_ID, hostWith([]))).toEqual([]);
    expect(devicesOfEndpoint(STATE, ENDPOINT_ID, hostWith([linkOf(PORT, { alias: "x" })]))).toEqual([]);
    expect(devicesOfNetwork(STATE, NETWORK, hostWith([]))).toEqual([]);
  });

  it("are what carries our mark and is unknown, and nothing of another plugin or anybody", () => {
    const mark = (instanceId: string, kind: "network" | "endpoint", id: string): string =>
      formatAlias({ instanceId, kind, id });
    const host = hostWith([
      ...WHOLE.links.values(),
      linkOf("x1", { alias: mark("0badcafe.d1d1", "endpoint", OTHER_ID) }),
      linkOf("x2", { alias: mark("0badcafe.d1d1", "network", OTHER_ID) }),
      linkOf("x3", { alias: mark("00000000", "endpoint", OTHER_ID) }),
      linkOf("x4", { alias: "twill" }),
      linkOf("x5", {}),
    ]);
    expect(strayDevices(STATE, host)).toEqual(["x1", "x2"]);
  });

  const LOST: PluginState = EMPTY;
  const OTHERS = BRIDGE_ALIAS.replace("0badcafe", "00000000");
  const OTHERS_PORT = PORT_ALIAS.replace("0badcafe", "00000000");
  const LEFT = hostWith(
    [
      linkOf("ov0", { kind: "bridge", alias: OTHERS }),
      linkOf(PORT, { alias: OTHERS_PORT }),
      linkOf("tap0", { kind: "tun" }),
      linkOf("twhother", { alias: OTHERS_PORT.replace("00000000", "11111111") }),
      linkOf("twhaside", { alias: OTHERS_PORT }),
      linkOf("tw-other", { kind: "bridge", alias: OTHERS.replace(NETWORK_ID, OTHER_ID) }),
      linkOf("foreign", { kind: "bridge", alias: NETWORK_ID }),
    ],
    [],
    [PORT, "tap0", "twhother"].map((port) => [port, "ov0"]),
  );
  const RUNNING = { ...LEFT, runningInstances: new Set(["00000000.d1d1"]) };

  it("are what a plugin whose state was lost has left of a network and of an endpoint", () => {
    expect(devicesOfUnknownNetwork(LOST, NETWORK_ID, LEFT)).toEqual([PORT, "ov0"]);
    expect(devicesOfEndpoint(LOST, ENDPOINT_ID, LEFT)).toEqual([PORT]);
    expect(devicesOfUnknownNetwork(LOST, OTHER_ENDPOINT_ID, LEFT)).toEqual([]);
  });

  it("are a bridge without a mark whose name is made of the id, and no other without one", () => {
    const unmarked = hostWith([linkOf(BRIDGE, { kind: "bridge" }), linkOf("ov0", { kind: "bridge" })]);
    expect(devicesOfUnknownNetwork(LOST, NETWORK_ID, unmarked)).toEqual([BRIDGE]);
    expect(devicesOfUnknownNetwork(LOST, OTHER_ID, unmarked)).toEqual([]);
  });

  it("are none of another plugin that runs", () => {
    expect(devicesOfUnknownNetwork(LOST, NETWORK_ID, RUNNING)).toEqual([]);
    expect(devicesOfEndpoint(LOST, ENDPOINT_ID, RUNNING)).toEqual([]);
  });
});
