import { describe, expect, it } from "vitest";
import { loadAgentConfig, readAgentPath } from "../../../src/agent/config.ts";
import type { AgentConfig, Environment } from "../../../src/agent/config.ts";
import { AGENT_OPTION_LIST } from "../../../src/agent/options/agent-options.ts";
import { describeOptions } from "../../../src/agent/options/check-options.ts";
import { normalizeGoFlags } from "../../../src/agent/options/go-flags.ts";
import { showFallback } from "../../../src/cli/agent.ts";
import { Ipv4Address } from "../../../src/net/ipv4.ts";

/** What `twill agent ARGS` would run with in this environment. */
function load(args: readonly string[], environment: Environment = {}): AgentConfig {
  const flags = new Map<string, string[]>();
  for (const arg of normalizeGoFlags(args, AGENT_OPTION_LIST)) {
    const [, name = "", value = ""] = /^--([^=]+)=(.*)$/s.exec(arg) ?? [];
    flags.set(name, [...(flags.get(name) ?? []), value]);
  }
  return loadAgentConfig(flags, environment);
}

describe("AGENT_OPTION_LIST", () => {
  it("has every flag of flannel in etcd mode with flannel's default", () => {
    const { options } = load([]);
    expect(options).toMatchObject({
      etcdEndpoints: ["http://127.0.0.1:4001", "http://127.0.0.1:2379"],
      etcdPrefix: "/coreos.com/network",
      etcdKeyfile: "",
      etcdCertfile: "",
      etcdCafile: "",
      etcdUsername: "",
      etcdPassword: "",
      iface: [],
      ifaceRegex: [],
      ifaceCanReach: null,
      publicIp: null,
      publicIpv6: null,
      subnetFile: "/run/flannel/subnet.env",
      subnetLeaseRenewMargin: 60,
      ipMasq: false,
      ipMasqFullyRandomDisable: false,
      iptablesForwardRules: true,
      iptablesResync: 5,
      ipBlackholeRoute: false,
      healthzIp: "0.0.0.0",
      healthzPort: 0,
      verbosity: 0,
      version: false,
      kubeSubnetMgr: false,
      kubeAnnotationPrefix: "flannel.alpha.coreos.com",
      netConfigPath: "/etc/kube-flannel/net-conf.json",
      setNodeNetworkUnavailable: true,
    });
  });

  it("names each flag and each variable once", () => {
    const names = AGENT_OPTION_LIST.map((definition) => definition.name);
    const variables = AGENT_OPTION_LIST.map((definition) => definition.variable).filter(
      (name) => name !== null,
    );
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(variables).size).toBe(variables.length);
  });

  it("reads flannel's flags from FLANNELD_ and our own from TWILL_ variables", () => {
    const variableOf = (name: string): unknown =>
      AGENT_OPTION_LIST.find((definition) => definition.name === name)?.variable;
    expect(variableOf("subnet-lease-renew-margin")).toBe("FLANNELD_SUBNET_LEASE_RENEW_MARGIN");
    expect(variableOf("v")).toBe("FLANNELD_V");
    expect(variableOf("state-dir")).toBe("TWILL_STATE_DIR");
    expect(variableOf("version")).toBeNull();
    expect(variableOf("check")).toBeNull();
  });

  it("accepts every default that has a text form", () => {
    for (const definition of AGENT_OPTION_LIST) {
      const text = showFallback(definition);
      if (text === "none") continue;
      expect(definition.parse([text]), definition.name).toStrictEqual(definition.fallback);
    }
  });
});

describe("loadAgentConfig", () => {
  it("takes one dash or two, and a value with = or as the next word", () => {
    const { options } = load(["-iface", "eth0", "--iface=192.0.2.1", "-v=10", "--etcd-prefix", "/a"]);
    expect(options.iface).toEqual(["eth0", "192.0.2.1"]);
    expect(options.verbosity).toBe(10);
    expect(options.etcdPrefix).toBe("/a");
  });

  it.each(["1", "t", "T", "true", "TRUE", "True"])("reads the switch value %s as true", (text) => {
    expect(load([`--ip-masq=${text}`]).options.ipMasq).toBe(true);
  });

  it.each(["0", "f", "F", "false", "FALSE", "False"])("reads the switch value %s as false", (text) => {
    expect(load([`--iptables-forward-rules=${text}`]).options.iptablesForwardRules).toBe(false);
  });

  it("switches on without a value", () => expect(load(["-ip-masq"]).options.ipMasq).toBe(true));

  it("refuses a switch value as the next word, and says how to write it", () => {
    expect(() => load(["--ip-masq", "false"])).toThrow(/argument "false".*with =, as in --ip-masq=true/);
  });

  it("lets the last of several values win", () => {
    expect(load(["--etcd-prefix=/a", "--etcd-prefix=/b"]).options.etcdPrefix).toBe("/b");
  });

  it("keeps = and dashes inside a value", () => {
    const { options } = load(["--etcd-username=u", "--etcd-password", "--a=b"]);
    expect(options.etcdPassword).toBe("--a=b");
  });

  it("names the nearest flag for an unknown one", () => {
    expect(() => load(["--etcd-endpoint=x"])).toThrow(
      'Cannot use flag "--etcd-endpoint": there is no such flag, did you mean --etcd-endpoints?',
    );
    expect(() => load(["--ifcae", "eth0"])).toThrow(/did you mean --iface\?/);
    expect(() => load(["--nothing-like-it"])).toThrow(/no such flag, see --help/);
  });

  it.each(["word", "-", "--", "", "=x", "---iface=x"])("refuses the argument %j", (arg) => {
    expect(() => load([arg])).toThrow(/Cannot use (argument|flag)/);
  });

  it("refuses a flag whose value is missing", () => {
    expect(() => load(["--etcd-prefix"])).toThrow(
      "Cannot use flag --etcd-prefix: it needs a value (any text)",
    );
  });

  it.each([
    ["--ip-masq=yes", /--ip-masq: "yes" is not true or false/],
    ["--subnet-lease-renew-margin=0", /"0" is not 1 to 1439 minutes/],
    ["--subnet-lease-renew-margin=1440", /"1440" is not 1 to 1439 minutes/],
    ["--subnet-lease-renew-margin=1h", /"1h" is not/],
    ["--healthz-port=65536", /"65536" is not -1 to 65535/],
    ["--healthz-port=", /"" is not/],
    ["--healthz-ip=localhost", /"localhost" is not an IP address/],
    ["--public-ip=192.0.2", /"192.0.2" is not an IPv4 address/],
    ["--iface-can-reach=2001:db8::1", /is not an IPv4 address/],
    ["--iface-regex=(", /"\(" is not a JavaScript regular expression/],
    [`--iface-regex=${"a".repeat(257)}`, /of 1 to 256 characters/],
    ["--iface=", /--iface: "" is not an interface name/],
    ["--etcd-endpoints=http://192.0.2.1:2379,", /is not a comma-separated list/],
    ["--on-lease-lost=stay", /"stay" is not one of reacquire, exit/],
    ["--engine=fast", /"fast" is not one of auto, native, dgram/],
    ["--queues=0", /"0" is not 1 to 16$/],
    ["--queues=17", /"17" is not 1 to 16$/],
    ["--queues=auto", /"auto" is not 1 to 16$/],
    ["--offload=on", /"on" is not one of auto, off/],
    ["--udp-source-port=8285", /"8285" is not one of auto, fixed, flow-hash/],
    ["--run-dir=", /"" is not a path/],
  ])("refuses %s, naming the value and what is valid", (arg, message) => {
    expect(() => load([arg])).toThrow(message);
  });

  it("accepts both ends of the renew margin", () => {
    expect(load(["--subnet-lease-renew-margin=1"]).options.subnetLeaseRenewMargin).toBe(1);
    expect(load(["--subnet-lease-renew-margin=1439"]).options.subnetLeaseRenewMargin).toBe(1439);
  });

  it("leaves the data path to the agent unless told, by flag or variable", () => {
    expect(load([]).options).toMatchObject({
      datapath: "user",
      engine: "auto",
      queues: null,
      offload: "auto",
      udpSourcePort: "auto",
    });
    expect(load(["--engine=native", "--queues=16", "--offload=off"]).options).toMatchObject({
      engine: "native",
      queues: 16,
      offload: "off",
    });
    const environment = { TWILL_ENGINE: "dgram", TWILL_QUEUES: "1", TWILL_UDP_SOURCE_PORT: "flow-hash" };
    expect(load([], environment).options).toMatchObject({
      engine: "dgram",
      queues: 1,
      udpSourcePort: "flow-hash",
    });
  });

  it("prefers a flag to its variable and a variable to the default", () => {
    const environment = { FLANNELD_ETCD_PREFIX: "/variable" };
    expect(load([], environment).options.etcdPrefix).toBe("/variable");
    expect(load(["--etcd-prefix=/flag"], environment).options.etcdPrefix).toBe("/flag");
  });

  it("takes an empty variable as not set", () => {
    expect(
      load([], { FLANNELD_SUBNET_LEASE_RENEW_MARGIN: "", FLANNELD_PUBLIC_IP: "" }).options,
    ).toMatchObject({
      subnetLeaseRenewMargin: 60,
      publicIp: null,
    });
  });

  it("takes a repeatable option from its variable as one element", () => {
    expect(load([], { FLANNELD_IFACE: "eth0,eth1" }).options.iface).toEqual(["eth0,eth1"]);
  });

  it("refuses a bad variable and names it", () => {
    expect(() => load([], { FLANNELD_HEALTHZ_PORT: "http" })).toThrow(
      /Cannot use FLANNELD_HEALTHZ_PORT: "http"/,
    );
    expect(() => load([], { TWILL_SOURCE_CHECK: "loose" })).toThrow(/Cannot use TWILL_SOURCE_CHECK: "loose"/);
  });

  it("keeps the names of variables that are no option", () => {
    const { unknownVariables } = load([], { FLANNELD_IFACES: "eth0", FLANNELD_IFACE: "eth0" });
    expect(unknownVariables).toEqual(["FLANNELD_IFACES, did you mean FLANNELD_IFACE?"]);
  });

  it("does not look at FLANNELD_VERSION", () => {
    expect(load([], { FLANNELD_VERSION: "true" }).options.version).toBe(false);
  });

  it("reads addresses and patterns as values", () => {
    const { options } = load(["--public-ip=192.0.2.7", "--iface-regex=^eth[0-9]$"]);
    expect(options.publicIp?.equals(new Ipv4Address(0xc0000207))).toBe(true);
    expect(options.ifaceRegex).toEqual([/^eth[0-9]$/]);
  });

  it("refuses the Kubernetes datastore loudly", () => {
    expect(() => load(["--kube-subnet-mgr"])).toThrow(/--kube-subnet-mgr=true: twill keeps leases in etcd/);
    expect(load(["--kube-subnet-mgr=false", "--kube-api-url=x"]).options.kubeSubnetMgr).toBe(false);
  });

  it.each([
    [["--etcd-username=u"], /without each other/],
    [["--etcd-password=p"], /without each other/],
    [["--etcd-username=u", "--etcd-password=p", "--etcd-password-file=/f"], /Cannot use both/],
    [["--etcd-certfile=/c"], /--etcd-keyfile without each other/],
    [["--etcd-endpoints=http://user:pass@192.0.2.1:2379"], /an endpoint holds a user/],
    [
      ["--etcd-endpoints=ftp://192.0.2.1:2379"],
      /--etcd-endpoints: "ftp:\/\/192.0.2.1:2379" is not http\(s\):\/\/host:port$/,
    ],
    [["--etcd-endpoints=http://192.0.2.1,https://192.0.2.2"], /--etcd-endpoints: it mixes http and https/],
  ])("refuses %j, which do not go together", (args, message) => {
    expect(() => load(args)).toThrow(message);
  });

  it("refuses a run directory whose socket would have too long a path, counted in bytes", () => {
    const longest = `/${"x".repeat(95)}`; // and 11 for "/agent.sock"
    expect(load([`--run-dir=${longest}`]).options.runDir).toBe(longest);
    expect(() => load([`--run-dir=${longest}x`])).toThrow(/--run-dir: .* has 108 bytes, more than 107$/);
    expect(() => load([`--run-dir=/${"é".repeat(48)}`])).toThrow(/has 108 bytes/);
  });

  it("reads what systemd passes on", () => {
    const environment = { NOTIFY_SOCKET: "/run/systemd/notify", WATCHDOG_USEC: "30000000" };
    expect(load([], environment)).toMatchObject({ notifySocket: "/run/systemd/notify", watchdogMs: 30_000 });
    expect(load([], { ...environment, WATCHDOG_PID: "1" }).watchdogMs).toBeNull();
    expect(load([], { ...environment, WATCHDOG_PID: String(process.pid) }).watchdogMs).toBe(30_000);
    expect(load([])).toMatchObject({ notifySocket: null, watchdogMs: null });
    expect(load([], { NOTIFY_SOCKET: "" }).notifySocket).toBeNull();
    expect(load([], { WATCHDOG_USEC: "soon" }).watchdogMs).toBeNull();
  });
});

describe("describeOptions", () => {
  it("shows every option but no secret", () => {
    const { options } = load(["--etcd-username=u", "--etcd-password=canary-4711", "--iface-regex=eth."]);
    const shown = describeOptions(options);
    expect(Object.keys(shown)).toEqual(AGENT_OPTION_LIST.map((definition) => definition.name));
    expect(JSON.stringify(shown)).not.toContain("canary-4711");
    expect(shown).toMatchObject({
      "etcd-password": "(hidden)",
      "etcd-username": "u",
      "iface-regex": ["eth."],
    });
  });
});

describe("readAgentPath", () => {
  it("takes the flag before the variable, and the variable before the default", () => {
    const environment = { FLANNELD_SUBNET_FILE: "/srv/subnet.env", TWILL_RUN_DIR: "/srv/run" };
    expect(readAgentPath("subnetFile", "/given", environment)).toBe("/given");
    expect(readAgentPath("subnetFile", undefined, environment)).toBe("/srv/subnet.env");
    expect(readAgentPath("runDir", undefined, environment)).toBe("/srv/run");
    expect(readAgentPath("stateDir", undefined, environment)).toBe("/var/lib/twill");
  });

  it("takes an empty variable for none, and asks nothing of the agent's other variables", () => {
    expect(readAgentPath("runDir", undefined, { TWILL_RUN_DIR: "", TWILL_QUEUES: "many" })).toBe(
      "/run/twill",
    );
  });

  it("refuses an empty flag", () => {
    expect(() => readAgentPath("runDir", "", {})).toThrow('Cannot use --run-dir: "" is not a path');
  });
});
