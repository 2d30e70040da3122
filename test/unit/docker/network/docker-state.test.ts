import { describe, expect, it } from "vitest";
import { parseEngineVersion, parseNetworks } from "../../../../src/docker/network/docker-state.ts";
import { VERSION_20_10, VERSION_28, WITH_APP_20_10, WITH_APP_28 } from "./recorded-networks.ts";

describe("parseEngineVersion", () => {
  it("reads the version of the engine, whatever follows its second number", () => {
    expect(parseEngineVersion(VERSION_20_10)).toEqual({ major: 20, minor: 10, text: "20.10.24+dfsg1" });
    expect(parseEngineVersion(VERSION_28)).toEqual({ major: 28, minor: 5, text: "28.5.2" });
    expect(parseEngineVersion('{"Version":"29.0.0-rc.1"}')).toMatchObject({ major: 29, minor: 0 });
  });

  it.each(["", "null", "[]", "{", "{}", '{"Version":28}', '{"Version":"dev"}', '{"Version":"28"}'])(
    "gives null for %j",
    (text) => expect(parseEngineVersion(text)).toBeNull(),
  );
});

describe("parseNetworks", () => {
  it.each([
    ["20.10", WITH_APP_20_10],
    ["28", WITH_APP_28],
  ])("reads the networks of engine %s", (_, text) => {
    const [bridge, host, app] = parseNetworks(text) ?? [];
    expect(bridge).toMatchObject({
      name: "bridge",
      pools: [{ subnet: "172.17.0.0/16", gateway: "" }],
    });
    expect(bridge?.options.get("com.docker.network.bridge.name")).toBe("docker0");
    expect(host).toMatchObject({ name: "host", driver: "host", pools: [], containers: [] });
    expect(app).toMatchObject({
      name: "app",
      driver: "bridge",
      pools: [{ subnet: "10.244.7.0/24", gateway: "10.244.7.1" }],
      containers: ["web"],
    });
    expect(app?.options.get("com.docker.network.driver.mtu")).toBe("1450");
    expect(app?.labels).toEqual(new Map([["twill.subnet", "10.244.7.0/24"]]));
  });

  it("takes what is missing for nothing", () => {
    const [network] =
      parseNetworks(
        '[{"Name":"x","IPAM":{"Config":null},"Options":null,"Labels":null,"Containers":null},1]',
      ) ?? [];
    const [options, labels] = [new Map(), new Map()];
    expect(network).toEqual({ id: "", name: "x", driver: "", pools: [], options, labels, containers: [] });
  });

  it.each(["", "{}", "null", "[", '"x"'])("gives null for %j", (text) =>
    expect(parseNetworks(text)).toBeNull(),
  );
});
