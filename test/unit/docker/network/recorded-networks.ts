/**
 * What Docker's command line prints about engines and networks: 20.10.24 as it was recorded, less what nobody reads; 28 in
 * the form of its API 1.51 (`EnableIPv4`, and the options that the engine adds itself).
 */

/** `docker version --format '{{json .Server}}'` of Debian 12's engine. */
export const VERSION_20_10 = JSON.stringify({
  Platform: { Name: "" },
  Components: [
    { Name: "Engine", Version: "20.10.24+dfsg1", Details: { ApiVersion: "1.41", MinAPIVersion: "1.12" } },
  ],
  Version: "20.10.24+dfsg1",
  ApiVersion: "1.41",
  MinAPIVersion: "1.12",
  Os: "linux",
  Arch: "amd64",
});

/** The same of engine 28. */
export const VERSION_28 = JSON.stringify({
  Platform: { Name: "Docker Engine - Community" },
  Components: [{ Name: "Engine", Version: "28.5.2", Details: { ApiVersion: "1.51", MinAPIVersion: "1.24" } }],
  Version: "28.5.2",
  ApiVersion: "1.51",
  MinAPIVersion: "1.24",
  Os: "linux",
  Arch: "amd64",
});

const ID = "7f1b1f2b1a1a4c5e9d7c0d2c8c9a4b3e2f1d0c9b8a7968574635241302f1e0d";
const CREATED = "2026-11-21T18:20:30.123456789Z";

/** Docker's own bridge and the networks without one, which every engine has. */
const OWN_20_10 = [
  {
    Name: "bridge",
    Id: `1${ID}`,
    Created: CREATED,
    Scope: "local",
    Driver: "bridge",
    EnableIPv6: false,
    IPAM: { Driver: "default", Options: null, Config: [{ Subnet: "172.17.0.0/16" }] },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: {},
    Options: {
      "com.docker.network.bridge.default_bridge": "true",
      "com.docker.network.bridge.enable_icc": "true",
      "com.docker.network.bridge.enable_ip_masquerade": "true",
      "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
      "com.docker.network.bridge.name": "docker0",
      "com.docker.network.driver.mtu": "1500",
    },
    Labels: {},
  },
  {
    Name: "host",
    Id: `2${ID}`,
    Created: CREATED,
    Scope: "local",
    Driver: "host",
    EnableIPv6: false,
    IPAM: { Driver: "default", Options: null, Config: [] },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: {},
    Options: {},
    Labels: {},
  },
];

/** A network that `twill docker-network create app` made on 20.10, with a container in it. */
const APP_20_10 = {
  Name: "app",
  Id: `3${ID}`,
  Created: CREATED,
  Scope: "local",
  Driver: "bridge",
  EnableIPv6: false,
  IPAM: { Driver: "default", Options: {}, Config: [{ Subnet: "10.244.7.0/24", Gateway: "10.244.7.1" }] },
  Internal: false,
  Attachable: false,
  Ingress: false,
  ConfigFrom: { Network: "" },
  ConfigOnly: false,
  Containers: {
    [`9${ID}`]: {
      Name: "web",
      EndpointID: ID,
      MacAddress: "02:42:0a:f4:07:02",
      IPv4Address: "10.244.7.2/24",
      IPv6Address: "",
    },
  },
  Options: {
    "com.docker.network.bridge.enable_ip_masquerade": "false",
    "com.docker.network.bridge.name": "twill0",
    "com.docker.network.driver.mtu": "1450",
  },
  Labels: { "twill.subnet": "10.244.7.0/24" },
};

/** The same on 28, where it opens all ports. */
const APP_28 = {
  ...APP_20_10,
  EnableIPv4: true,
  Options: {
    ...APP_20_10.Options,
    "com.docker.network.bridge.gateway_mode_ipv4": "nat-unprotected",
    "com.docker.network.enable_ipv4": "true",
    "com.docker.network.enable_ipv6": "false",
  },
};

/** `docker network inspect` of all networks of a fresh engine. */
export const FRESH = JSON.stringify(OWN_20_10);
/** The same with the network of the lease, on 20.10 and on 28. */
export const WITH_APP_20_10 = JSON.stringify([...OWN_20_10, APP_20_10]);
export const WITH_APP_28 = JSON.stringify([
  ...OWN_20_10.map((one) => ({ ...one, EnableIPv4: true })),
  APP_28,
]);
