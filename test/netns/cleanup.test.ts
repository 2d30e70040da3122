/** `twill cleanup`: a host on which agents ran is as it was before, byte for byte, and what others made stands. */
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { createLab } from "../support/lab.ts";
import type { Lab, LabHost } from "../support/lab.ts";

const TWILL = fileURLToPath(new URL("../../bin/twill", import.meta.url));
const READY_WITHIN_MS = 15_000;
const NOTHING_LEFT = "nothing of twill is on this host\n";
/** Leases stay clear of the foreign routes below. */
const SUBNETS = { SubnetMin: "10.244.1.0", SubnetMax: "10.244.99.0" };

/** What others have on a host, also within the overlay, and much alike what is ours. */
const FOREIGN_IP = [
  "link add br-other type bridge",
  "link set br-other alias twill-not up",
  "addr add 10.244.201.1/24 dev br-other",
  "route add 10.244.202.0/24 via 192.0.2.254 dev eth0 proto static",
  "route add 10.244.203.0/24 via 10.244.201.9 dev br-other",
  "route add blackhole 10.244.204.0/24 proto 85",
  "route add unreachable 10.244.0.0/16 metric 9999",
  "neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent",
];
const FOREIGN_NFT = `table inet other {
  set s { type ipv4_addr; elements = { 10.244.0.1 } }
  chain c { type filter hook forward priority 5; ip saddr @s counter accept; }
}
table ip twillow {
  chain twill { }
}
table inet twill-10.244.0.0-16 {
}
`;
const FOREIGN_IPTABLES = `*nat
:FLANNEL-MINE - [0:0]
-A POSTROUTING -s 198.51.100.0/24 -j FLANNEL-MINE
-A FLANNEL-MINE -j MASQUERADE
COMMIT
*filter
-A FORWARD -s 198.51.100.0/24 -m comment --comment flanneld -j ACCEPT
COMMIT
`;
const FOREIGN_SYSCTLS = [
  "net.ipv4.ip_default_ttl=63",
  "net.ipv4.conf.eth0.rp_filter=2",
  "net.ipv4.ip_forward=1",
];

/** What moves by itself: counters of chains, timers of a bridge, and what the kernel notes up to a second late of a TUN. */
const MOVING = / \[\d+:\d+\]$| gc_timer +[\d.]+|NO-CARRIER,| state (UP|DOWN|UNKNOWN)| linkdown/g;

/** Everything about a host that an agent might change, by the command that shows it. */
async function snapshot(host: LabHost): Promise<Record<string, string>> {
  const commands: Record<string, readonly string[]> = {
    links: ["ip", "-d", "-o", "link", "show"],
    addresses: ["ip", "-o", "address", "show"],
    routes: ["ip", "-d", "-N", "route", "show", "table", "all"],
    routes6: ["ip", "-6", "route", "show", "table", "all"],
    rules: ["ip", "rule", "show"],
    neighbours: ["ip", "neighbour", "show", "nud", "permanent"],
    fdb: ["bridge", "fdb", "show"],
    nft: ["nft", "-s", "list", "ruleset"],
    iptablesNft: ["iptables-nft-save"],
    iptablesLegacy: ["iptables-legacy-save"],
    ip6tables: ["ip6tables-nft-save"],
    sysctls: ["grep", "-rs", "", "/proc/sys/net/ipv4"],
    sysctls6: ["grep", "-rs", "", "/proc/sys/net/ipv6/conf"],
    // The lab's own log of the agent lies among the agent's files.
    files: [
      "sh",
      "-c",
      `cd "$0" && find . ! -name agent.log -type f -exec sha256sum {} + ; find . -printf '%P %y %m\\n'`,
    ],
  };
  const taken: Record<string, string> = {};
  for (const [name, argv] of Object.entries(commands)) {
    const directory = name === "files" ? [dirname(host.files.runDirectory)] : [];
    const { stdout } = await host.exec([...argv, ...directory]); // grep meets files that cannot be read
    taken[name] = stdout
      .split("\n")
      .map((line) => line.replaceAll(MOVING, ""))
      .filter((line) => !line.startsWith("# ")) // with the time of day
      .sort()
      .join("\n");
  }
  expect(taken.sysctls).toContain("/proc/sys/net/ipv4/conf/eth0/rp_filter");
  expect(taken.links).toContain(": eth0");
  return taken;
}

/** Runs `twill cleanup` on a host, with the paths of its agent. */
async function cleanup(
  host: LabHost,
  ...flags: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { subnetFile, runDirectory, stateDirectory } = host.files;
  const paths = [`--subnet-file=${subnetFile}`, `--run-dir=${runDirectory}`, `--state-dir=${stateDirectory}`];
  const { code, stdout, stderr } = await host.exec([TWILL, "cleanup", ...paths, ...flags]);
  return { code, stdout: stdout.replaceAll(dirname(runDirectory), "DIR"), stderr };
}

/** Runs agents on all hosts until each forwards to the others, and stops that of the first. */
async function runAgents(lab: Lab, flags: readonly string[]): Promise<void> {
  for (const host of lab.hosts) await host.startAgent(flags);
  for (const host of lab.hosts) {
    await host.agent.waitReady(READY_WITHIN_MS);
    await host.agent.waitForPeers(lab.hosts.length - 1, READY_WITHIN_MS);
  }
  await eventually(() => hasFirewall(lab.host(0)), { timeoutMs: READY_WITHIN_MS });
  expect(await lab.host(0).agent.stop()).toEqual({ code: 0, signal: null });
}

/** Whether all rules of an agent stand, which no readiness waits for. */
async function hasFirewall(host: LabHost): Promise<boolean> {
  const { stdout } = await host.exec(["nft", "list", "ruleset"]);
  const ofFlannel = stdout.includes("table ip flannel-ipv4") || stdout.includes("jump FLANNEL-FWD");
  return ofFlannel && /table (ip|netdev) twill-10\.244\.0\.0-16/.test(stdout);
}

/** Makes the directory that the lab would make with the first agent. */
async function prepare(host: LabHost): Promise<void> {
  await mkdir(dirname(host.files.runDirectory), { recursive: true });
  await writeFile(host.files.logFile, "");
}

async function standWithOthers(host: LabHost): Promise<void> {
  await host.namespace.ip(FOREIGN_IP);
  await host.execChecked(["nft", "-f", "-"], { stdin: FOREIGN_NFT });
  await host.execChecked(["iptables-restore", "--noflush"], { stdin: FOREIGN_IPTABLES });
  await host.namespace.sysctl(FOREIGN_SYSCTLS);
  await mkdir(host.files.stateDirectory);
  await writeFile(join(host.files.stateDirectory, "node-id.bak"), "mine\n");
}

interface Case {
  readonly name: string;
  readonly backend: object;
  readonly flags: readonly string[];
  /** Devices that are removed. */
  readonly devices: readonly string[];
}

const CASES: readonly Case[] = [
  { name: "udp", backend: { Type: "udp" }, flags: ["--ip-masq"], devices: ["flannel0"] },
  { name: "vxlan in user space", backend: { Type: "vxlan" }, flags: ["--ip-masq"], devices: ["flannel.1"] },
  {
    name: "vxlan in the kernel",
    backend: { Type: "vxlan" },
    flags: ["--ip-masq", "--datapath=kernel"],
    devices: ["flannel.1"],
  },
  { name: "host-gw", backend: { Type: "host-gw" }, flags: ["--ip-masq"], devices: [] },
  {
    name: "vxlan, with rules of nftables",
    backend: { Type: "vxlan" },
    flags: ["--ip-masq"],
    devices: ["flannel.1"],
  },
];

describe("twill cleanup", () => {
  it.each(CASES)("leaves a host as it was before $name", async ({ name, backend, flags, devices }) => {
    const EnableNFTables = name.includes("nftables");
    await using lab = await createLab({
      hosts: 2,
      agents: false,
      networkConfig: { ...SUBNETS, Backend: backend, EnableNFTables },
    });
    const h1 = lab.host(0);
    await prepare(h1);
    const before = await snapshot(h1);

    await runAgents(lab, flags);
    const standing = await snapshot(h1);
    const dryRun = await cleanup(h1, "--dry-run");
    expect(await snapshot(h1)).toEqual(standing);
    const { code, stdout, stderr } = await cleanup(h1);

    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(await snapshot(h1)).toEqual(before);
    expect(dryRun).toEqual({ code: 0, stdout: stdout.replaceAll(/^removed/gm, "would remove"), stderr: "" });
    const rules = EnableNFTables
      ? ["removed nftables table ip flannel-ipv4"]
      : [
          "removed iptables chain FLANNEL-POSTRTG of table nat (nft)",
          "removed iptables chain FLANNEL-FWD of table filter (nft)",
        ];
    const lines = stdout.trimEnd().split("\n");
    expect(lines.filter((line) => !line.startsWith("removed route "))).toEqual([
      ...devices.map((device) => `removed device ${device}`),
      ...rules,
      `removed nftables table ${name === "host-gw" ? "netdev" : "ip"} twill-10.244.0.0-16`,
      "removed file DIR/subnet.env",
      "removed file DIR/state/node-id",
      "removed file DIR/state/peers.json",
      "removed directory DIR/state",
      "removed file DIR/run/agent.lock",
      "removed directory DIR/run",
    ]);
    expect(lines).toContain("removed route blackhole 10.244.0.0/16");
    expect(await cleanup(h1)).toEqual({ code: 0, stdout: NOTHING_LEFT, stderr: "" });
    expect((await lab.etcd.leases()).size).toBe(2);
  });

  it.each(CASES)("leaves what others made beside $name", async ({ name, backend, flags }) => {
    await using lab = await createLab({
      hosts: 2,
      agents: false,
      networkConfig: { ...SUBNETS, Backend: backend, EnableNFTables: name.includes("nftables") },
    });
    const h1 = lab.host(0);
    await prepare(h1);
    await standWithOthers(h1);
    const before = await snapshot(h1);

    await runAgents(lab, flags);
    expect(await cleanup(h1)).toMatchObject({ code: 0, stderr: "" });

    expect(await snapshot(h1)).toEqual(before);
  });

  it("refuses while the agent runs, and touches nothing", async () => {
    await using lab = await createLab({ hosts: 1, pods: 0 });
    const h1 = lab.host(0);
    const before = await snapshot(h1);
    for (const flags of [[], ["--dry-run"]]) {
      expect(await cleanup(h1, ...flags)).toEqual({
        code: 1,
        stdout: "",
        stderr: `twill: Cannot clean up: the agent (process ${h1.agent.pid}) of ${h1.files.runDirectory} runs, stop it first\n`,
      });
    }
    expect(await snapshot(h1)).toEqual(before);
    expect((await h1.agent.readyz()).code).toBe(200);
  });

  it("refuses while a process of another run directory reads a device, and touches nothing", async () => {
    await using lab = await createLab({ hosts: 1, pods: 0 });
    const h1 = lab.host(0);
    const before = await snapshot(h1);
    expect(await cleanup(h1, `--run-dir=${h1.files.runDirectory}-of-another`)).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "twill: Cannot clean up: a process is attached to device flannel0, stop the twill agent or flanneld that it is; nothing was removed\n",
    });
    expect(await snapshot(h1)).toEqual(before);
    expect((await h1.agent.readyz()).code).toBe(200);
  });

  it("cleans up after an agent that was killed", async () => {
    await using lab = await createLab({ hosts: 1, agents: false });
    const h1 = lab.host(0);
    await prepare(h1);
    const before = await snapshot(h1);
    const agent = await h1.startAgent(["--ip-masq"]);
    await agent.waitReady(READY_WITHIN_MS);
    agent.kill("SIGKILL");
    await agent.exited;

    const { code, stdout } = await cleanup(h1);

    expect(code).toBe(0);
    expect(stdout).toContain("removed file DIR/run/agent.sock\n");
    expect(await snapshot(h1)).toEqual(before);
  });

  it("leaves the lease: the next start takes it back, without a warning about it", async () => {
    await using lab = await createLab({ hosts: 2, pods: 0 });
    const h1 = lab.host(0);
    const { subnet } = await h1.agent.status();
    for (let round = 0; round < 3; round++) {
      await h1.agent.stop();
      expect((await cleanup(h1)).code).toBe(0);
      const { length: logged } = await h1.agent.logLines();
      const agent = await h1.startAgent();
      await agent.waitReady(READY_WITHIN_MS);
      expect((await agent.status()).subnet).toBe(subnet);
      const lines = (await agent.logLines()).slice(logged);
      expect(lines.filter((line) => line.includes("Lease rejected"))).toEqual([]);
    }
  });

  it("works without nft and iptables, which then have made nothing", async () => {
    await using lab = await createLab({ hosts: 1, agents: false });
    const h1 = lab.host(0);
    const programs = join(dirname(h1.files.runDirectory), "bin");
    await mkdir(programs, { recursive: true });
    await symlink((await h1.execChecked(["sh", "-c", "command -v ip"])).trim(), join(programs, "ip"));
    const { runDirectory, stateDirectory, subnetFile } = h1.files;
    const { stdout, code } = await h1.exec([
      "env",
      `PATH=${programs}`,
      process.execPath,
      fileURLToPath(new URL("../../src/cli/main.mjs", import.meta.url)),
      "cleanup",
      `--subnet-file=${subnetFile}`,
      `--run-dir=${runDirectory}`,
      `--state-dir=${stateDirectory}`,
    ]);
    expect({ stdout, code }).toEqual({ stdout: NOTHING_LEFT, code: 0 });
  });
});
