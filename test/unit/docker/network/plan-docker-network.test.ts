import { describe, expect, it } from "vitest";
import type { HostDevices } from "../../../../src/docker/host-devices.ts";
import { parseEngineVersion, parseNetworks } from "../../../../src/docker/network/docker-state.ts";
import type { DockerNetwork, EngineVersion } from "../../../../src/docker/network/docker-state.ts";
import { planDockerNetwork } from "../../../../src/docker/network/plan-docker-network.ts";
import type { NetworkPlan } from "../../../../src/docker/network/plan-docker-network.ts";
import type { NetworkRequest } from "../../../../src/docker/network/wanted-network.ts";
import { parseSubnetFile } from "../../../../src/files/subnet-file.ts";
import type { SubnetFile } from "../../../../src/files/subnet-file.ts";
import { parseAddresses } from "../../../../src/kernel/addresses.ts";
import { parseLinks } from "../../../../src/kernel/links.ts";
import { FRESH, VERSION_20_10, VERSION_28, WITH_APP_20_10, WITH_APP_28 } from "./recorded-networks.ts";

function engine(text: string): EngineVersion {
  const version = parseEngineVersion(text);
  if (version === null) throw new Error("bad version");
  return version;
}

/** The networks of a recording, with `changes` to the one named app. */
function networks(text: string, changes: Partial<DockerNetwork> = {}): DockerNetwork[] {
  return (parseNetworks(text) ?? []).map((one) => (one.name === "app" ? { ...one, ...changes } : one));
}

function lease(subnet = "10.244.7.1/24", mtu = 1450, ipMasq = true): SubnetFile {
  const file = parseSubnetFile(
    `FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=${subnet}\nFLANNEL_MTU=${mtu}\nFLANNEL_IPMASQ=${String(ipMasq)}\n`,
  );
  if (file === null) throw new Error("bad lease");
  return file;
}

const ENGINE_20_10 = engine(VERSION_20_10);
const ENGINE_28 = engine(VERSION_28);
const REQUEST: NetworkRequest = {
  name: "app",
  subnetFile: "/run/flannel/subnet.env",
  bridge: null,
  isPublishedOnly: false,
  overlayDevices: [],
};

/**
 * The plan for a host that leases 10.244.7.0/24 with masquerading, on a fresh 20.10, with no other device than an overlay's;
 * `situation` differs from that.
 */
function plan(
  situation: {
    engine?: EngineVersion;
    networks?: DockerNetwork[];
    lease?: SubnetFile;
    host?: HostDevices;
  } = {},
  request: Partial<NetworkRequest> = {},
): NetworkPlan {
  return planDockerNetwork({
    request: { ...REQUEST, ...request },
    lease: lease(),
    engine: ENGINE_20_10,
    networks: networks(FRESH),
    host: hostWith([]),
    ...situation,
  });
}

function refusal(made: NetworkPlan): string {
  if (made.kind !== "refuse") throw new Error(`${made.kind} instead of a refusal`);
  return made.sentence;
}

const MASQUERADE_OFF = ["-o", "com.docker.network.bridge.enable_ip_masquerade=false"];
const CREATE = [
  ...["network", "create", "--driver", "bridge", "--subnet", "10.244.7.0/24", "--gateway", "10.244.7.1"],
  ...["-o", "com.docker.network.driver.mtu=1450", "-o", "com.docker.network.bridge.name=twill0"],
  ...MASQUERADE_OFF,
];
const LABEL_AND_NAME = ["--label", "twill.subnet=10.244.7.0/24", "app"];

/** A device of a host, with its address as `ip` writes it; without one, null. */
type Device = readonly [name: string, address: string | null, facts?: { kind?: string; alias?: string }];

/** The host's devices as `ip -j -d address show` has them, after an overlay device with the subnet's first address. */
function hostWith(devices: readonly Device[]): HostDevices {
  const all: Device[] = [["flannel0", "10.244.7.0/32", { kind: "tun" }], ...devices];
  const json = all.map(([ifname, text, facts], i) => {
    const [local, length] = text?.split("/") ?? [];
    return {
      ...{ ifindex: i + 2, ifname, mtu: 1450, flags: ["UP"], ifalias: facts?.alias },
      linkinfo: { info_kind: facts?.kind ?? "bridge" },
      addr_info: text === null ? [] : [{ family: "inet", local, prefixlen: Number(length) }],
    };
  });
  return { links: parseLinks(json), addresses: parseAddresses(json) };
}

describe("planNetwork, without a network of the name", () => {
  it("makes it on the lease, with Docker's masquerading off", () => {
    expect(plan()).toEqual({ kind: "create", args: [...CREATE, ...LABEL_AND_NAME], notes: [] });
  });

  it("keeps Docker from masquerading without --ip-masq too, and says what then reaches the internet", () => {
    const made = plan({ lease: lease("10.244.7.1/24", 1450, false) });
    expect(made).toMatchObject({ kind: "create", args: [...CREATE, ...LABEL_AND_NAME] });
    expect(made.kind === "create" && made.notes).toEqual([
      expect.stringMatching(
        /^The agent runs without --ip-masq .* they reach the internet only where a router knows/,
      ),
    ]);
  });

  it("opens all ports on engine 28, where Docker would drop them, and says so", () => {
    const made = plan({ engine: ENGINE_28 });
    const mode = ["-o", "com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected"];
    expect(made).toMatchObject({ kind: "create", args: [...CREATE, ...mode, ...LABEL_AND_NAME] });
    expect(made.kind === "create" && made.notes).toEqual([
      expect.stringContaining("Every port of its containers is open"),
    ]);
    expect(plan({ engine: { major: 27, minor: 5, text: "27.5.1" } })).toMatchObject({
      args: [...CREATE, ...LABEL_AND_NAME],
    });
  });

  it("opens published ports alone with --published-only", () => {
    const request = { isPublishedOnly: true, overlayDevices: ["flannel0", "flannel.1"] };
    const trusted = ["-o", "com.docker.network.bridge.trusted_host_interfaces=flannel0:flannel.1"];
    expect(plan({ engine: ENGINE_28 }, request)).toEqual({
      kind: "create",
      args: [...CREATE, ...trusted, ...LABEL_AND_NAME],
      notes: [],
    });
    for (const text of ["20.10.24+dfsg1", "27.5.1", "28.1.1"]) {
      expect(refusal(plan({ engine: engine(JSON.stringify({ Version: text })) }, request))).toBe(
        `Cannot make network "app": Docker ${text} cannot tell published ports of the overlay from others; ` +
          "use 28.2 or newer, or leave out --published-only",
      );
    }
    expect(plan({ engine: engine('{"Version":"28.2.0"}') }, request).kind).toBe("create");
    expect(plan({ engine: engine('{"Version":"29.0.0"}') }, request).kind).toBe("create");
    expect(refusal(plan({ engine: ENGINE_28 }, { isPublishedOnly: true }))).toContain(
      "there is no overlay device",
    );
  });

  it("gives the bridge the wanted name, unless another network has it", () => {
    expect(plan({}, { bridge: "ov0" })).toMatchObject({
      args: expect.arrayContaining(["com.docker.network.bridge.name=ov0"]) as string[],
    });
    expect(refusal(plan({}, { bridge: "docker0" }))).toBe(
      'Cannot make network "app": Docker\'s network "bridge" has the bridge docker0; give another name by --bridge',
    );
  });

  it("names the network that has the subnet, with the commands", () => {
    expect(refusal(plan({ networks: networks(WITH_APP_20_10) }, { name: "other" }))).toBe(
      'Cannot make network "other": Docker\'s network "app" has 10.244.7.0/24, this host\'s lease; use that network, ' +
        "or remove it: docker network disconnect --force app web && docker network rm app",
    );
  });

  it("finds wider and narrower pools too", () => {
    for (const subnet of ["10.244.0.0/16", "10.244.7.128/25"]) {
      const taken = networks(WITH_APP_20_10, { name: "wide", pools: [{ subnet, gateway: "" }] });
      expect(refusal(plan({ networks: taken }))).toContain(
        `network "wide" has ${subnet}, so this host's lease 10.244.7.0/24 is taken; use that`,
      );
    }
    const beside = networks(WITH_APP_20_10, {
      name: "beside",
      options: new Map(),
      pools: [
        { subnet: "10.244.8.0/24", gateway: "" },
        { subnet: "2001:db8::/64", gateway: "" },
      ],
    });
    expect(plan({ networks: beside }).kind).toBe("create");
  });

  it("knows --bip when it sees it", () => {
    const [bridge, ...rest] = networks(FRESH);
    if (bridge === undefined) throw new Error("no bridge");
    const bip = { ...bridge, pools: [{ subnet: "10.244.7.0/24", gateway: "10.244.7.1" }] };
    expect(refusal(plan({ networks: [bip, ...rest] }))).toContain(
      "with dockerd's --bip there every container is on the overlay",
    );
  });
});

describe("planNetwork, on a host where other devices have what it needs", () => {
  const PLUGIN_ALIAS = `twill-docker:0badcafe:network:${"a1".repeat(32)}`;
  const RIVALS: [device: Device, address: string, advice: string][] = [
    [
      ["cni0", "10.244.7.1/24"],
      "device cni0 has 10.244.7.1",
      "remove its network where Docker has one (docker network rm), or once no container needs it: ip link delete dev cni0",
    ],
    [
      ["veth1", "10.244.7.9/32", { kind: "veth" }],
      "device veth1 has 10.244.7.9",
      "take the address away: ip address delete 10.244.7.9/32 dev veth1",
    ],
    [
      ["a;b", "10.244.7.255/16", { kind: "dummy" }],
      "device a;b has 10.244.7.255",
      "take the address away: ip address delete 10.244.7.255/16 dev 'a;b'",
    ],
    [
      ["twill0", "10.244.7.1/24"],
      "device twill0 has 10.244.7.1",
      "remove its network where Docker has one (docker network rm), or once no container needs it: ip link delete dev twill0",
    ],
    [
      ["tw-a1a1a1a1a1a1", "10.244.7.1/24", { alias: PLUGIN_ALIAS }],
      "device tw-a1a1a1a1a1a1 has 10.244.7.1",
      "remove the network plugin's network: docker network rm a1a1a1a1a1a1 (where Docker does not know it: twill docker-plugin --forget a1a1a1a1a1a1; where neither knows it: ip link delete dev tw-a1a1a1a1a1a1)",
    ],
  ];
  it.each(RIVALS)("refuses beside %j", (device, address, advice) => {
    expect(refusal(plan({ host: hostWith([device]) }))).toBe(
      `Cannot make network "app": ${address} of this host's lease 10.244.7.0/24, which carries one network; ${advice}`,
    );
  });

  it("overlooks devices beside the lease", () => {
    const host = hostWith([
      ["cni0", "10.244.8.1/24"],
      ["eth0", "10.244.6.255/16", { kind: "veth" }],
      ["br0", null],
    ]);
    expect(plan({ host }).kind).toBe("create");
  });

  it("takes over no device that has the bridge's name", () => {
    for (const device of [
      ["twill0", null],
      ["twill0", "192.0.2.1/24", { kind: "dummy" }],
    ] as const) {
      expect(refusal(plan({ host: hostWith([device]) }))).toBe(
        'Cannot make network "app": there is a device twill0 that is no bridge of Docker\'s; remove it once nobody needs it ' +
          "(ip link delete dev twill0), or give another name by --bridge",
      );
      expect(plan({ host: hostWith([device]) }, { bridge: "ov0" }).kind).toBe("create");
    }
  });

  it("keeps a network beside its own bridge, and refuses beside another one on the lease", () => {
    const own: Device = ["twill0", "10.244.7.1/24"];
    const present = networks(WITH_APP_20_10);
    expect(plan({ networks: present, host: hostWith([own]) }).kind).toBe("keep");
    expect(refusal(plan({ networks: present, host: hostWith([own, ["cni0", "10.244.7.1/24"]]) }))).toBe(
      'Cannot keep network "app": device cni0 has 10.244.7.1 of this host\'s lease 10.244.7.0/24, which carries one network; ' +
        "remove its network where Docker has one (docker network rm), or once no container needs it: ip link delete dev cni0",
    );
    // Without the option Docker calls the bridge by the network's id.
    const options = new Map([...(present[2]?.options ?? [])].filter(([key]) => !key.endsWith("bridge.name")));
    const unnamed = networks(WITH_APP_20_10, { id: "0123456789abcdef", options });
    const request = { networks: unnamed, host: hostWith([["br-0123456789ab", "10.244.7.1/24"]]) };
    expect(plan(request).kind).toBe("keep");
    expect(refusal(plan({ ...request, host: hostWith([own]) }))).toContain("device twill0 has 10.244.7.1");
  });
});

describe("planNetwork, with a network of the name", () => {
  it.each([
    ["20.10", ENGINE_20_10, WITH_APP_20_10],
    ["28", ENGINE_28, WITH_APP_28],
  ])("keeps the one that engine %s made of it", (_, version, recording) => {
    expect(plan({ engine: version, networks: networks(recording) }).kind).toBe("keep");
  });

  it("keeps it with another name of the bridge, unless one is asked for", () => {
    const [bridge, host, app] = networks(WITH_APP_20_10);
    if (bridge === undefined || host === undefined || app === undefined) throw new Error("not recorded");
    const options = new Map([...app.options, ["com.docker.network.bridge.name", "br-mine"]]);
    const present = [bridge, host, { ...app, options }];
    expect(plan({ networks: present }).kind).toBe("keep");
    expect(plan({ networks: present }, { bridge: "br-mine" }).kind).toBe("keep");
    expect(refusal(plan({ networks: present }, { bridge: "ov0" }))).toContain(
      'bridge.name is "br-mine", not "ov0"',
    );
  });

  const MOVED = lease("10.244.9.1/24");

  it("says that the lease moved, with every command that makes it anew", () => {
    const containers = ["web", "db"];
    const request = { subnetFile: "/tmp/it's.env", bridge: "ov0" };
    expect(refusal(plan({ lease: MOVED, networks: networks(WITH_APP_20_10, { containers }) }, request))).toBe(
      'Cannot keep network "app": it has 10.244.7.0/24 and this host\'s lease is 10.244.9.0/24 now, so no other host reaches it; ' +
        "make it anew: docker network disconnect --force app web && " +
        "docker network disconnect --force app db && docker network rm app && " +
        "twill docker-network create --subnet-file '/tmp/it'\\''s.env' --bridge ov0 app && " +
        "docker network connect app web && docker network connect app db",
    );
  });

  it("removes no network of somebody else, unless that has the lease", () => {
    const pools = [{ subnet: "172.20.0.0/16", gateway: "172.20.0.1" }];
    const foreign = { labels: new Map(), pools };
    expect(refusal(plan({ networks: networks(WITH_APP_20_10, foreign) }))).toBe(
      'Cannot make network "app": Docker has one of this name that twill docker-network did not make; use another name',
    );
    const withoutPool = { labels: new Map(), driver: "host", pools: [] };
    expect(refusal(plan({ networks: networks(WITH_APP_20_10, withoutPool) }))).toMatch(/; use another name$/);

    const onTheLease = { labels: new Map(), options: new Map() }; // any other name would find it in the way
    expect(refusal(plan({ networks: networks(WITH_APP_20_10, onTheLease) }))).toContain(
      "make it anew: docker network disconnect --force app web && docker network rm app",
    );
  });

  it("keeps one that was made by hand as it should be", () => {
    expect(plan({ networks: networks(WITH_APP_20_10, { labels: new Map() }) }).kind).toBe("keep");
  });

  it("repeats the other options in the command", () => {
    const request = { isPublishedOnly: true, overlayDevices: ["eth0", "lan;x"] };
    expect(
      refusal(plan({ engine: ENGINE_28, lease: MOVED, networks: networks(WITH_APP_28) }, request)),
    ).toMatch(
      /&& twill docker-network create --published-only --overlay-device eth0 --overlay-device 'lan;x' app && docker network connect app web$/,
    );
  });

  const FAULTS: [what: string, changes: Partial<DockerNetwork>, fault: string][] = [
    ["driver", { driver: "macvlan" }, 'it is of the driver "macvlan", not a bridge'],
    ["no pool", { pools: [] }, "it has no subnet and this host's lease is 10.244.7.0/24 now"],
    [
      "gateway",
      { pools: [{ subnet: "10.244.7.0/24", gateway: "10.244.7.254" }] },
      "its gateway is 10.244.7.254, not 10.244.7.1",
    ],
    ["options", { options: new Map() }, 'its com.docker.network.driver.mtu is not set, not "1450"'],
    [
      "masquerading",
      { options: new Map([["com.docker.network.driver.mtu", "1450"]]) },
      'its com.docker.network.bridge.enable_ip_masquerade is not set, not "false"',
    ],
  ];
  it.each(FAULTS)("refuses another %s", (_, changes, fault) => {
    expect(refusal(plan({ networks: networks(WITH_APP_20_10, changes) }))).toContain(
      `Cannot keep network "app": ${fault}`,
    );
  });

  it("refuses one with the MTU of another backend, or of an engine before 28", () => {
    expect(
      refusal(plan({ lease: lease("10.244.7.1/24", 1472), networks: networks(WITH_APP_20_10) })),
    ).toContain('its com.docker.network.driver.mtu is "1450", not "1472"');
    expect(refusal(plan({ engine: ENGINE_28, networks: networks(WITH_APP_20_10) }))).toContain(
      'its com.docker.network.bridge.gateway_mode_ipv4 is not set, not "nat-unprotected"',
    );
  });

  it("lets nothing that Docker says become a command or a line of its own", () => {
    const containers = ["web; reboot", "a'b", "line\nbreak"];
    const sentence = refusal(plan({ lease: MOVED, networks: networks(WITH_APP_20_10, { containers }) }));
    expect(sentence).toContain(
      "disconnect --force app 'web; reboot' && docker network disconnect --force app 'a'\\''b'",
    );
    expect(sentence).not.toContain("\n");
  });
});
