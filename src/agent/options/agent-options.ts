/**
 * Every option of `twill agent`: the one table behind the flags, the variables, the help text and
 * docs/configuration.md. Names, defaults and meaning of flannel's flags are flannel's.
 */
import { DEFAULT_SUBNET_FILE } from "../../files/read-subnet-file.ts";
import { MAX_QUEUES } from "../../datapath/tun.ts";
import { LOG_LEVELS } from "../../process/logger.ts";
import {
  booleanOption,
  choiceOption,
  integerOption,
  ipv4Option,
  ipv6Option,
  listenAddressOption,
  listOption,
  optionalIntegerOption,
  pathOption,
  repeatedPatternOption,
  repeatedTextOption,
  textOption,
} from "./option-kinds.ts";
import type { OptionDefinition } from "./option-kinds.ts";

/** Minutes in the 24 hours that flannel's leases live: the margin must leave time on both sides. */
const MAX_RENEW_MARGIN_MINUTES = 24 * 60 - 1;
const MAX_PORT = 65535;
/** Largest number of flannel's flags that it does not check itself (int32). */
const MAX_NUMBER = 2 ** 31 - 1;

const registryOptions = {
  etcdEndpoints: listOption(["http://127.0.0.1:4001", "http://127.0.0.1:2379"], {
    name: "etcd-endpoints",
    description: "etcd endpoints, separated by commas; the scheme of the first decides about TLS",
  }),
  etcdPrefix: textOption("/coreos.com/network", {
    name: "etcd-prefix",
    description: "where network config and leases are in etcd",
  }),
  etcdKeyfile: textOption("", {
    name: "etcd-keyfile",
    isReread: true,
    description: "client key for etcd, PEM file",
  }),
  etcdCertfile: textOption("", {
    name: "etcd-certfile",
    isReread: true,
    description: "client certificate for etcd, PEM file",
  }),
  etcdCafile: textOption("", {
    name: "etcd-cafile",
    isReread: true,
    description: "CA that etcd's certificate must come from, PEM file; needs no client certificate",
  }),
  etcdUsername: textOption("", { name: "etcd-username", description: "etcd user" }),
  etcdPassword: textOption("", {
    name: "etcd-password",
    isSecret: true,
    description: "password of the etcd user; --etcd-password-file keeps it out of the process list",
  }),
  etcdPasswordFile: textOption("", {
    name: "etcd-password-file",
    origin: "twill",
    description: "file with the password of the etcd user; one newline at its end is dropped",
  }),
};

const underlayOptions = {
  iface: repeatedTextOption({
    name: "iface",
    description: "underlay interface, by name or address; repeatable, the first usable one is taken",
  }),
  ifaceRegex: repeatedPatternOption({
    name: "iface-regex",
    description: "underlay interface whose address, or else name, matches; repeatable, tried after --iface",
  }),
  ifaceCanReach: ipv4Option({
    name: "iface-can-reach",
    description: "underlay interface that the kernel would use towards this address; tried last",
  }),
  publicIp: ipv4Option({
    name: "public-ip",
    description:
      "address that other nodes send to, if not the interface's; without an --iface flag also selects the interface",
  }),
  publicIpv6: ipv6Option({ name: "public-ipv6", description: "no effect yet: the underlay is IPv4" }),
};

const leaseOptions = {
  subnetFile: pathOption(DEFAULT_SUBNET_FILE, {
    name: "subnet-file",
    description: "file that tells Docker and CNI plugins the subnet; also read at start",
  }),
  subnetLeaseRenewMargin: integerOption(
    60,
    { min: 1, max: MAX_RENEW_MARGIN_MINUTES, unit: "minutes" },
    {
      name: "subnet-lease-renew-margin",
      description: "renew the lease at the latest this long before its end",
    },
  ),
  onLeaseLost: choiceOption("reacquire", ["reacquire", "exit"], {
    name: "on-lease-lost",
    origin: "twill",
    description:
      "when another node has taken the subnet: lease another one, or exit with status 0 as flannel does",
  }),
};

const firewallOptions = {
  ipMasq: booleanOption(false, {
    name: "ip-masq",
    description: "masquerade what containers send to outside of the overlay; also written to the subnet file",
  }),
  ipMasqFullyRandomDisable: booleanOption(false, {
    name: "ip-masq-fully-random-disable",
    description: "masquerade without choosing source ports at random",
  }),
  iptablesForwardRules: booleanOption(true, {
    name: "iptables-forward-rules",
    description: "let packets of the overlay pass the FORWARD chain, which Docker sets to DROP",
  }),
  iptablesResync: integerOption(
    5,
    { min: 0, max: MAX_NUMBER, unit: "seconds" },
    {
      name: "iptables-resync",
      description: "compare firewall rules at least this often; 0: only when the kernel tells of a change",
    },
  ),
  ipBlackholeRoute: booleanOption(false, {
    name: "ip-blackhole-route",
    description: "accepted for flannel: the whole overlay has a blackhole route in any case",
  }),
};

const datapathOptions = {
  datapath: choiceOption("user", ["user", "kernel"], {
    name: "datapath",
    origin: "twill",
    description:
      "what carries vxlan: this process, or the kernel's vxlan device, with the same frames; hosts may differ",
  }),
  sourceCheck: choiceOption("strict", ["strict", "count", "off"], {
    name: "source-check",
    origin: "twill",
    description:
      "packets whose inner source is not in the sender's subnet: drop them, count them, or do not look",
  }),
  engine: choiceOption("auto", ["auto", "native", "dgram"], {
    name: "engine",
    origin: "twill",
    description:
      "what carries packets: native (C, its own threads), dgram (in Node.js, slower), or native where its addon loads",
  }),
  queues: optionalIntegerOption(
    { min: 1, max: MAX_QUEUES, unit: "" },
    {
      name: "queues",
      origin: "twill",
      description:
        "queues of the native engine, each with two threads; without it half as many as cores, from 1 to 8",
    },
  ),
  offload: choiceOption("auto", ["auto", "off"], {
    name: "offload",
    origin: "twill",
    description: "move packets in and out of the kernel in runs, where the kernel can; off: one by one",
  }),
  udpSourcePort: choiceOption("auto", ["auto", "fixed", "flow-hash"], {
    name: "udp-source-port",
    origin: "twill",
    description:
      "source port of datagrams of the native engine: the one that peers send to, or one of 16 by a hash of the inner flow; auto: fixed for udp, flow-hash for vxlan",
  }),
};

const processOptions = {
  healthzIp: listenAddressOption("0.0.0.0", {
    name: "healthz-ip",
    description: "address of the health endpoint",
  }),
  healthzPort: integerOption(
    0,
    { min: -1, max: MAX_PORT, unit: "" },
    { name: "healthz-port", description: "TCP port of the health endpoint; 0 or less: none" },
  ),
  runDir: pathOption("/run/twill", {
    name: "run-dir",
    origin: "twill",
    description: "directory of the lock and of the socket that `twill status` asks; one agent for each",
  }),
  stateDir: pathOption("/var/lib/twill", {
    name: "state-dir",
    origin: "twill",
    description: "directory of the node id and of the last known peers; keep it over restarts",
  }),
  logLevel: choiceOption("info", LOG_LEVELS, {
    name: "log-level",
    origin: "twill",
    description: "least severe log lines that are written",
  }),
  verbosity: integerOption(
    0,
    { min: 0, max: MAX_NUMBER, unit: "" },
    { name: "v", description: "flannel's verbosity: 1 or more means --log-level=debug" },
  ),
  vmodule: textOption("", { name: "vmodule", description: "accepted for flannel, no effect" }),
  logBacktraceAt: textOption("", {
    name: "log_backtrace_at",
    description: "accepted for flannel, no effect",
  }),
};

const kubernetesOptions = {
  kubeSubnetMgr: booleanOption(false, {
    name: "kube-subnet-mgr",
    description: "must be false: leases are kept in etcd only",
  }),
  kubeApiUrl: textOption("", { name: "kube-api-url", description: "accepted for flannel, no effect" }),
  kubeconfigFile: textOption("", { name: "kubeconfig-file", description: "accepted for flannel, no effect" }),
  kubeAnnotationPrefix: textOption("flannel.alpha.coreos.com", {
    name: "kube-annotation-prefix",
    description: "accepted for flannel, no effect",
  }),
  netConfigPath: textOption("/etc/kube-flannel/net-conf.json", {
    name: "net-config-path",
    description: "accepted for flannel, no effect",
  }),
  setNodeNetworkUnavailable: booleanOption(true, {
    name: "set-node-network-unavailable",
    description: "accepted for flannel, no effect",
  }),
};

const actionOptions = {
  check: booleanOption(false, {
    name: "check",
    origin: "twill",
    hasVariable: false,
    description: "read everything, print what would run, change nothing; exit status 0 or 1",
  }),
  version: booleanOption(false, {
    name: "version",
    hasVariable: false,
    description: "print the version on stderr, as flannel does",
  }),
};

/** The table, by the name that the code uses. */
export const AGENT_OPTIONS = {
  ...registryOptions,
  ...underlayOptions,
  ...leaseOptions,
  ...firewallOptions,
  ...datapathOptions,
  ...processOptions,
  ...kubernetesOptions,
  ...actionOptions,
};

export type AgentOptionKey = keyof typeof AGENT_OPTIONS;

/** The value of every option. */
export type AgentOptions = {
  readonly [K in AgentOptionKey]: (typeof AGENT_OPTIONS)[K] extends OptionDefinition<infer T> ? T : never;
};

/** The table in its order, for help and documentation. */
export const AGENT_OPTION_LIST: readonly OptionDefinition<unknown>[] = Object.values(AGENT_OPTIONS);
