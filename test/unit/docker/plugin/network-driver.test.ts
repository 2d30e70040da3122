import { describe, expect, it } from "vitest";
import {
  createEndpoint,
  createNetwork,
  deleteEndpoint,
  deleteNetwork,
  join,
  programExternalConnectivity,
} from "../../../../src/docker/plugin/network-driver.ts";
import {
  parseCreateEndpoint,
  parseCreateNetwork,
  parseEndpoint,
  parsePublish,
} from "../../../../src/docker/plugin/protocol/network-requests.ts";
import type { Circumstances, Outcome } from "../../../../src/docker/plugin/refusals.ts";
import type { Network, PluginState } from "../../../../src/docker/plugin/state/plugin-state.ts";
import {
  EMPTY,
  ENDPOINT_ID,
  LEASE,
  MOVED_LEASE,
  NETWORK,
  NETWORK_ID,
  OTHER_ENDPOINT_ID,
  OTHER_ID,
  WITH_NETWORK,
  at,
  fields,
  sentenceOf,
} from "./samples.ts";

const IPV4 = { AddressSpace: "twill-local", Pool: "10.244.7.0/24", Gateway: "10.244.7.1/24" };
const PORTS = { "com.docker.network.portmap": [{ Proto: 6, Port: 80, HostPort: 8080 }] };

/** As dockerd 20.10 sends it, with these `-o` options and whatever else is different. */
function networkBody(generic: unknown = {}, differences: object = {}): object {
  return {
    NetworkID: NETWORK_ID,
    Options: { "com.docker.network.enable_ipv6": false, "com.docker.network.generic": generic },
    IPv4Data: [IPV4],
    IPv6Data: [],
    ...differences,
  };
}

function network(circumstances: Circumstances, body: object): Network {
  return createNetwork(circumstances, parseCreateNetwork(fields("NetworkDriver.CreateNetwork", body)));
}

function endpointBody(Interface: object, differences: object = {}): object {
  const given = { Address: "10.244.7.2/24", AddressIPv6: "", MacAddress: "", ...Interface };
  return { NetworkID: NETWORK_ID, EndpointID: ENDPOINT_ID, Interface: given, Options: {}, ...differences };
}

function endpoint(circumstances: Circumstances, body: object): Outcome {
  return createEndpoint(circumstances, parseCreateEndpoint(fields("NetworkDriver.CreateEndpoint", body)));
}

const IDS = { NetworkID: NETWORK_ID, EndpointID: ENDPOINT_ID };
const WITH_ENDPOINT: PluginState = endpoint(at(WITH_NETWORK), endpointBody({})).state;

/** The state with a network of this kind. */
function withMode(differences: Partial<Network>): PluginState {
  return { ...WITH_ENDPOINT, networks: new Map([[NETWORK_ID, { ...NETWORK, ...differences }]]) };
}

describe("createNetwork", () => {
  it("takes the lease, names the bridge after the network, and leaves the world to Docker", () => {
    expect(network(at(EMPTY), networkBody())).toEqual(NETWORK);
    expect(network(at(EMPTY), networkBody(null, { IPv6Data: null }))).toEqual(NETWORK);
    expect(network(at(WITH_NETWORK), networkBody())).toEqual(NETWORK); // the same request again
  });

  it("takes a bridge's name, a gateway mode and --internal", () => {
    const made = network(at(EMPTY), networkBody({ bridge: "ov0.1_x-", gateway: "overlay" }));
    expect(made).toMatchObject({ bridgeName: "ov0.1_x-", gatewayMode: "overlay", isInternal: false });
    const internal = { Options: { "com.docker.network.internal": true } };
    expect(network(at(EMPTY), networkBody({}, internal))).toMatchObject({
      gatewayMode: "docker",
      isInternal: true,
    });
  });

  const KNOWN = "known are bridge=NAME and gateway=docker or gateway=overlay";
  const REFUSALS: [what: string, circumstances: Circumstances, body: object, sentence: string][] = [
    ["no lease", at(EMPTY, null), networkBody(), "no lease yet"],
    [
      "an unknown option",
      at(EMPTY),
      networkBody({ colour: "blue" }),
      `Cannot make the network: option "colour" is unknown, ${KNOWN}`,
    ],
    [
      "an MTU",
      at(EMPTY),
      networkBody({ "com.docker.network.driver.mtu": "1400" }),
      `Cannot make the network: option "com.docker.network.driver.mtu" is unknown, ${KNOWN}, and the MTU is the lease's`,
    ],
    [
      "a bridge's name that is none",
      at(EMPTY),
      networkBody({ bridge: "a/../b" }),
      'Cannot make the network: bridge="a/../b" is no name for a device, use 1 to 15 letters, digits and ._-',
    ],
    [
      "a bridge's name that is too long",
      at(EMPTY),
      networkBody({ bridge: "x".repeat(16) }),
      'Cannot make the network: bridge="xxxxxxxxxxxxxxxx" is no name for a device, use 1 to 15 letters, digits and ._-',
    ],
    [
      "a gateway mode that is none",
      at(EMPTY),
      networkBody({ gateway: "10.0.0.1" }),
      'Cannot make the network: gateway="10.0.0.1" is unknown, use gateway=docker or gateway=overlay',
    ],
    [
      "the pool of Docker's own IPAM",
      at(EMPTY),
      networkBody({}, { IPv4Data: [{ Pool: "172.18.0.0/16", Gateway: "172.18.0.1/16" }] }),
      "Cannot make the network: its subnet 172.18.0.0/16 is not this host's lease 10.244.7.0/24; use: docker network create -d twill --ipam-driver twill NAME",
    ],
    [
      "another gateway",
      at(EMPTY),
      networkBody({}, { IPv4Data: [{ ...IPV4, Gateway: "10.244.7.254/24" }] }),
      "Cannot make the network: its gateway 10.244.7.254 is not that of the lease, 10.244.7.1; leave --gateway out",
    ],
    [
      "two subnets",
      at(EMPTY),
      networkBody({}, { IPv4Data: [IPV4, IPV4] }),
      "Cannot make the network: it needs one subnet, this host's lease; give at most one --subnet",
    ],
    [
      "no subnet",
      at(EMPTY),
      networkBody({}, { IPv4Data: null }),
      "Cannot make the network: it needs one subnet, this host's lease; give at most one --subnet",
    ],
    [
      "IPv6",
      at(EMPTY),
      networkBody({}, { Options: { "com.docker.network.enable_ipv6": true } }),
      "Cannot make the network: twill carries IPv4 between containers, leave --ipv6 out",
    ],
    [
      "a second network on the lease",
      at(WITH_NETWORK),
      networkBody({}, { NetworkID: OTHER_ID }),
      "Cannot make the network: network a1a1a1a1a1a1 has this host's lease 10.244.7.0/24 already; use that one, or remove it first: docker network rm a1a1a1a1a1a1 (where Docker does not know it: twill docker-plugin --forget a1a1a1a1a1a1)",
    ],
    [
      "an id that is a path",
      at(EMPTY),
      networkBody({}, { NetworkID: "../../etc/passwd" }),
      'Cannot read the request NetworkDriver.CreateNetwork: NetworkID is "../../etc/passwd", not an id of 12 to 64 letters and digits',
    ],
    [
      "a number in the place of a list",
      at(EMPTY),
      networkBody({}, { IPv4Data: 5 }),
      "Cannot read the request NetworkDriver.CreateNetwork: IPv4Data is 5, not a list",
    ],
    [
      "a list in the place of options",
      at(EMPTY),
      networkBody(["bridge"]),
      'Cannot read the request NetworkDriver.CreateNetwork: Options.com.docker.network.generic is [\\"bridge\\"], not a JSON object',
    ],
    [
      "a pool that is an object",
      at(EMPTY),
      networkBody({}, { IPv4Data: [{ Pool: {} }] }),
      "Cannot read the request NetworkDriver.CreateNetwork: IPv4Data[0].Pool is {}, not text",
    ],
  ];
  it.each(REFUSALS)("refuses %s in one sentence", (_, circumstances, body, sentence) => {
    expect(sentenceOf(() => network(circumstances, body))).toBe(sentence);
  });
});

describe("createEndpoint", () => {
  it("gives the MAC of the address, unless Docker gives one, and the same answer again", () => {
    const given = endpoint(at(WITH_NETWORK), endpointBody({}));
    expect(given.answer).toEqual({ Interface: { MacAddress: "02:42:0a:f4:07:02" } });
    const again = endpoint(at(given.state), endpointBody({}));
    expect(again).toEqual(given);
    expect(again.state).toBe(given.state);
    const mac = endpoint(at(WITH_NETWORK), endpointBody({ MacAddress: "02:00:5e:00:53:01" }));
    expect(mac.answer).toEqual({ Interface: {} });
    expect(mac.state.endpoints.get(ENDPOINT_ID)?.mac.toString()).toBe("02:00:5e:00:53:01");
  });

  it("serves a known network without a lease, as after a start before the agent's", () => {
    expect(endpoint(at(WITH_NETWORK, null), endpointBody({})).state.endpoints.size).toBe(1);
  });

  const NO_ADDRESS = "is no address for a container of 10.244.7.0/24; choose another one, or leave --ip out";
  const REFUSALS: [what: string, circumstances: Circumstances, body: object, sentence: string][] = [
    [
      "an address that another container has",
      at(WITH_ENDPOINT),
      endpointBody({}, { EndpointID: OTHER_ENDPOINT_ID }),
      "Cannot connect the container: 10.244.7.2 is that of endpoint c3c3c3c3c3c3; choose another one, or leave --ip out",
    ],
    [
      "the gateway's address",
      at(WITH_NETWORK),
      endpointBody({ Address: "10.244.7.1/24" }),
      `Cannot connect the container: 10.244.7.1 ${NO_ADDRESS}`,
    ],
    [
      "another host's address",
      at(WITH_NETWORK),
      endpointBody({ Address: "10.244.8.2/24" }),
      `Cannot connect the container: 10.244.8.2 ${NO_ADDRESS}`,
    ],
    [
      "the broadcast address",
      at(WITH_NETWORK),
      endpointBody({ Address: "10.244.7.255/24" }),
      `Cannot connect the container: 10.244.7.255 ${NO_ADDRESS}`,
    ],
    [
      "no address",
      at(WITH_NETWORK),
      endpointBody({ Address: "" }),
      "Cannot connect the container: Docker gave it no address, twill needs an IPAM driver",
    ],
    [
      "no interface",
      at(WITH_NETWORK),
      endpointBody({}, { Interface: null }),
      "Cannot connect the container: Docker gave it no address, twill needs an IPAM driver",
    ],
    [
      "an IPv6 address",
      at(WITH_NETWORK),
      endpointBody({ AddressIPv6: "2001:db8::2/64" }),
      "Cannot connect the container: twill carries IPv4 between containers, leave --ip6 out",
    ],
    [
      "a MAC of a group",
      at(WITH_NETWORK),
      endpointBody({ MacAddress: "01:00:5e:00:00:01" }),
      'Cannot connect the container: "01:00:5e:00:00:01" is no MAC address of a device',
    ],
    [
      "an unknown network",
      at(EMPTY),
      endpointBody({}),
      "Cannot connect the container: network a1a1a1a1a1a1 is unknown to twill, whose state was lost; remove its containers or disconnect them (docker network inspect a1a1a1a1a1a1 names those that run), then make it again: docker network rm a1a1a1a1a1a1 && docker network create -d twill --ipam-driver twill NAME",
    ],
    [
      "a network whose lease has moved",
      at(WITH_NETWORK, MOVED_LEASE),
      endpointBody({}),
      "Cannot use network a1a1a1a1a1a1: its subnet 10.244.7.0/24 is no more this host's, whose lease is 10.244.9.0/24 now; remove its containers or disconnect them (docker network inspect a1a1a1a1a1a1 names those that run), then make it again: docker network rm a1a1a1a1a1a1 && docker network create -d twill --ipam-driver twill NAME",
    ],
    [
      "published ports where nobody publishes them",
      at(withMode({ gatewayMode: "overlay" })),
      endpointBody({}, { Options: PORTS }),
      "Cannot publish ports on network a1a1a1a1a1a1: it was made with gateway=overlay, where nobody does that; leave -p out, or make the network with gateway=docker",
    ],
    [
      "an address without its length",
      at(WITH_NETWORK),
      endpointBody({ Address: "10.244.7.2" }),
      'Cannot read the request NetworkDriver.CreateEndpoint: Interface.Address is "10.244.7.2", not an IPv4 address with its prefix length',
    ],
  ];
  it.each(REFUSALS)("refuses %s in one sentence", (_, circumstances, body, sentence) => {
    expect(sentenceOf(() => endpoint(circumstances, body))).toBe(sentence);
  });
});

describe("join", () => {
  const request = parseEndpoint(fields("NetworkDriver.Join", IDS));
  const InterfaceName = { SrcName: "twcc3c3c3c3c3c3", DstPrefix: "eth" };
  const StaticRoutes = [{ Destination: "10.244.0.0/16", RouteType: 0, NextHop: "10.244.7.1" }];

  it("gives a route to the overlay, so that Docker adds its own gateway", () => {
    expect(join(at(WITH_ENDPOINT), request).answer).toEqual({ InterfaceName, StaticRoutes });
  });

  it("gives the default route with gateway=overlay, but not to an internal network", () => {
    const overlay = at(withMode({ gatewayMode: "overlay" }));
    expect(join(overlay, request).answer).toEqual({ InterfaceName, Gateway: "10.244.7.1" });
    const internal = at(withMode({ gatewayMode: "overlay", isInternal: true }));
    expect(join(internal, request).answer).toEqual({ InterfaceName, StaticRoutes });
  });

  it("refuses an endpoint that is unknown in one sentence", () => {
    expect(sentenceOf(() => join(at(WITH_NETWORK), request))).toBe(
      "Cannot connect the container: endpoint c3c3c3c3c3c3 of network a1a1a1a1a1a1 is unknown; start the container again",
    );
  });
});

describe("programExternalConnectivity", () => {
  it("refuses ports with gateway=overlay alone", () => {
    const request = parsePublish(
      fields("NetworkDriver.ProgramExternalConnectivity", { ...IDS, Options: PORTS }),
    );
    expect(() => programExternalConnectivity(WITH_ENDPOINT, request)).not.toThrow();
    expect(() => programExternalConnectivity(EMPTY, request)).not.toThrow();
    const overlay = withMode({ gatewayMode: "overlay" });
    expect(sentenceOf(() => programExternalConnectivity(overlay, request))).toContain("Cannot publish ports");
  });
});

describe("deleteEndpoint and deleteNetwork", () => {
  it("take away what they name and its endpoints, and nothing is gone twice", () => {
    const gone = deleteEndpoint(WITH_ENDPOINT, { networkId: NETWORK_ID, endpointId: ENDPOINT_ID });
    expect(gone.endpoints.size).toBe(0);
    expect(deleteEndpoint(gone, { networkId: NETWORK_ID, endpointId: ENDPOINT_ID })).toBe(gone);
    const pool = { ...LEASE, held: new Map([[9, 1]]), released: [8] };
    const full = { ...WITH_ENDPOINT, pools: new Map([["twill/10.244.7.0/24", pool]]) };
    const without = deleteNetwork(full, { networkId: NETWORK_ID });
    expect([without.networks.size, without.endpoints.size]).toEqual([0, 0]);
    const [free] = without.pools.values();
    expect(free).toMatchObject({ held: new Map(), released: [8, 9] });
    expect(deleteNetwork(without, { networkId: NETWORK_ID })).toBe(without);
  });
});
