/** What an operator meets when something is wrong: a message that says what and why, an exit code or a retry, no remains. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { networkState } from "../support/host-snapshot.ts";
import { createLab } from "../support/lab.ts";
import type { LabAgent, LabHost } from "../support/lab.ts";
import { deleteLease, putLease } from "../support/lab-registry.ts";

/** Levels of lines that a person must act on. */
const ALARMING = ["error", "fatal"];
const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
/** An agent that cannot work says so at once; the rest is for a busy machine. */
const EXIT_WITHIN_MS = 5_000;

interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** Error lines that the host's agents wrote, from line `from` on. */
async function errorLines(host: LabHost, from = 0): Promise<LogLine[]> {
  const lines = (await host.agent.logLines()).slice(from).map((line) => JSON.parse(line) as LogLine);
  return lines.filter(({ level }) => ALARMING.includes(level));
}

/** Waits for an agent to say, in any line, something with every one of these words. */
async function waitForLine(agent: LabAgent, ...words: string[]): Promise<string> {
  return await eventually(
    async () => (await agent.logLines()).find((line) => words.every((word) => line.includes(word))) ?? false,
    { timeoutMs: 10_000 },
  );
}

/** Starts an agent that must end with `code` and one error line that has all `words`, and leave nothing behind. */
async function expectFailedStart(
  host: LabHost,
  flags: readonly string[],
  words: readonly string[],
): Promise<void> {
  const before = await networkState(host);
  const logged = host.hasAgent ? (await host.agent.logLines()).length : 0;
  const startMs = performance.now();
  const agent = await host.startAgent(flags);
  expect(await agent.exited).toEqual({ code: EXIT_FAILURE, signal: null });
  expect(performance.now() - startMs).toBeLessThan(EXIT_WITHIN_MS);
  const errors = await errorLines(host, logged);
  expect(errors).toHaveLength(1);
  for (const word of words) expect(JSON.stringify(errors[0])).toContain(word);
  expect(await networkState(host)).toBe(before);
  expect(existsSync(host.files.subnetFile)).toBe(false);
  expect(existsSync(join(host.files.runDirectory, "agent.sock"))).toBe(false);
}

describe("an agent whose start must fail", () => {
  it("names an interface that is missing, and those that are there", async () => {
    await using lab = await createLab({ hosts: 1, agents: false });
    await expectFailedStart(
      lab.host(0),
      ["--iface=nope0"],
      ["ERR_INTERFACE_MISSING", "nope0", "eth0", "192.0.2.1"],
    );
    expect(await lab.etcd.leases()).toEqual(new Map());
  });

  it("names a backend it does not know", async () => {
    await using lab = await createLab({
      hosts: 1,
      agents: false,
      networkConfig: { Backend: { Type: "ipsec" } },
    });
    await expectFailedStart(lab.host(0), [], ["ERR_BACKEND_UNKNOWN", "ipsec", "udp"]);
    expect(await lab.etcd.leases()).toEqual(new Map());
  });

  it("says that its TUN is not permitted, and what it needs", async () => {
    await using lab = await createLab({ hosts: 1, agents: false });
    const host = lab.host(0);
    const { runDirectory, stateDirectory, subnetFile } = host.files;
    const before = await networkState(host);
    const result = await host.exec([
      "setpriv",
      "--bounding-set=-net_admin",
      "--inh-caps=-net_admin",
      process.execPath,
      "src/cli/main.mjs",
      "agent",
      `--etcd-endpoints=${lab.etcd.url}`,
      `--subnet-file=${subnetFile}`,
      `--run-dir=${runDirectory}`,
      `--state-dir=${stateDirectory}`,
    ]);
    expect(result.code).toBe(EXIT_FAILURE);
    expect(result.stdout).toContain("ERR_TUN_DENIED");
    expect(result.stdout).toContain("CAP_NET_ADMIN");
    expect(result.stdout).toContain('"reason":"EPERM, CAP_NET_ADMIN is missing"'); // why no news of the firewall comes
    expect(await networkState(host)).toBe(before);
    expect(existsSync(subnetFile)).toBe(false);
  });

  it.each([
    {
      without: "CAP_NET_ADMIN",
      enter: ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"],
      words: "CAP_NET_ADMIN is missing",
      hostGwToo: true,
    },
    {
      without: "/dev/net/tun",
      enter: ["unshare", "--mount", "sh", "-ec", 'mount -t tmpfs none /dev/net; exec "$@"', "sh"],
      words: "/dev/net/tun cannot be opened, ENOENT",
      hostGwToo: false,
    },
  ])("is told so by --check, behind the plan: without $without", async ({ enter, words, hostGwToo }) => {
    await using lab = await createLab({ hosts: 1, agents: false });
    const check = async () =>
      await lab
        .host(0)
        .exec([
          ...enter,
          process.execPath,
          "src/cli/main.mjs",
          "agent",
          "--check",
          `--etcd-endpoints=${lab.etcd.url}`,
        ]);
    const refused = await check();
    expect(refused).toMatchObject({
      code: EXIT_FAILURE,
      stdout: expect.stringMatching(/^backend +udp,/m) as string,
    });
    expect(refused.stderr).toMatch(/^twill: Cannot start with backend udp: [^\n]*\n$/);
    expect(refused.stderr).toContain(words);

    await lab.etcd.putConfig({ Network: lab.network, Backend: { Type: "host-gw" } });
    expect((await check()).code).toBe(hostGwToo ? EXIT_FAILURE : 0);
    await lab.etcd.putConfig({ Network: lab.network, Backend: { Type: "alloc" } });
    expect(await check()).toMatchObject({ code: 0, stderr: "" });
  });

  it("is told by etcd that its password is wrong, and repeats it nowhere", async () => {
    await using lab = await createLab({ hosts: 1, agents: false });
    const host = lab.host(0);
    const password = randomBytes(12).toString("hex");
    const passwordFile = join(lab.directory, "password");
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    await lab.etcd.etcdctl(["user", "add", "root:correct"]);
    await lab.etcd.etcdctl(["user", "grant-role", "root", "root"]);
    await lab.etcd.etcdctl(["auth", "enable"]);

    for (const flag of [`--etcd-password-file=${passwordFile}`, `--etcd-password=${password}`]) {
      await expectFailedStart(
        host,
        ["--etcd-username=root", flag],
        ["ERR_REGISTRY_DENIED", "invalid user ID or password"],
      );
    }
    expect(await readFile(host.files.logFile, "utf8")).not.toContain(password);
  });

  it("is the second on its host: the first goes on untouched", async () => {
    await using lab = await createLab({ hosts: 2 });
    const host = lab.host(0);
    const first = host.agent;
    const before = await networkState(host);
    const startMs = performance.now();
    const second = await host.startAgent();
    expect(await second.exited).toEqual({ code: EXIT_FAILURE, signal: null });
    expect(performance.now() - startMs).toBeLessThan(EXIT_WITHIN_MS);
    expect(await waitForLine(second, "ERR_ALREADY_RUNNING")).toContain(`${first.pid}`);
    expect(await networkState(host)).toBe(before);
    expect((await first.status()).pid).toBe(first.pid);
    expect(await host.pod.ping(lab.host(1).pod.address, { count: 20 })).toMatchObject({ lost: 0 });
  });

  it("is the second on its host with directories of its own: it stops before it touches the lease", async () => {
    await using lab = await createLab({ hosts: 1 });
    const host = lab.host(0);
    const leases = await lab.etcd.leases();
    const first = host.agent;
    const elsewhere = join(lab.directory, "elsewhere");
    const before = await networkState(host);
    const second = await host.startAgent([
      `--run-dir=${elsewhere}`,
      `--state-dir=${elsewhere}`,
      `--subnet-file=${elsewhere}/subnet.env`,
    ]);
    expect(await second.exited).toEqual({ code: EXIT_FAILURE, signal: null });
    expect(await waitForLine(second, "ERR_TUN_BUSY")).toContain("flannel0");
    expect(await networkState(host)).toBe(before);
    expect(await lab.etcd.leases()).toEqual(leases);
    expect((await first.readyz()).code).toBe(200);
  });

  it("finds its UDP port taken: it names the port and leases nothing", async () => {
    await using lab = await createLab({ hosts: 1, agents: false });
    const host = lab.host(0);
    const hold = 'require("node:dgram").createSocket("udp4").bind(8285)';
    const holder = host.start([process.execPath, "-e", hold], { stdio: "ignore" });
    await eventually(async () => (await host.execChecked(["ss", "-Hlun"])).includes(":8285"));
    await expectFailedStart(host, [], ["ERR_SOCKET_FAILED", "8285"]);
    expect(await lab.etcd.leases()).toEqual(new Map());
    holder.kill();
  });

  it("names an unknown flag and the nearest one, with exit code 2", async () => {
    await using lab = await createLab({ hosts: 1, agents: false, etcd: false });
    const host = lab.host(0);
    const unknown = await host.startAgent(["--etcd-endpoint=http://192.0.2.254:2379"]);
    expect(await unknown.exited).toEqual({ code: EXIT_USAGE, signal: null });
    expect(await readFile(host.files.logFile, "utf8")).toContain("--etcd-endpoints");
    const badVariable = await host.startAgent([], { env: { FLANNELD_HEALTHZ_PORT: "many" } });
    expect(await badVariable.exited).toEqual({ code: EXIT_USAGE, signal: null });
    expect(await readFile(host.files.logFile, "utf8")).toMatch(/FLANNELD_HEALTHZ_PORT.*many/);
  });
});

describe("an agent that waits for something", () => {
  it("says that etcd is out of reach, and starts when it is there", async () => {
    await using lab = await createLab({ hosts: 1, etcd: false });
    const agent = await lab.host(0).startAgent();
    await waitForLine(agent, "ERR_REGISTRY_UNAVAILABLE");
    expect((await agent.readyz()).code).toBe(503);
    await lab.etcd.start();
    await lab.etcd.putConfig({ Network: lab.network });
    await agent.waitReady(10_000);
  });

  it.each([
    { what: "missing", config: null, words: ["/coreos.com/network/config"] },
    { what: "invalid", config: '{"Network":"10.244.0.0/99"}', words: ["Network", "10.244.0.0/99"] },
  ])("says that the config is $what, and starts when it is right", async ({ config, words }) => {
    await using lab = await createLab({ hosts: 1, agents: false });
    const host = lab.host(0);
    if (config === null) await lab.etcd.etcdctl(["del", "/coreos.com/network/config"]);
    else await lab.etcd.putConfig(config);
    const before = await networkState(host);
    const agent = await host.startAgent();
    await waitForLine(agent, ...words);
    expect(agent.isRunning).toBe(true);
    expect((await agent.readyz()).code).toBe(503);
    expect(await networkState(host)).toBe(before);
    await lab.etcd.putConfig({ Network: lab.network });
    await agent.waitReady(10_000);
  });

  it.each([
    { what: "Network", config: { Network: "10.244.0.0/99" }, word: "10.244.0.0/99" },
    { what: "backend", config: { Backend: { Type: "wireguard" } }, word: "wireguard" },
    { what: "backend option", config: { Backend: { Type: "udp", Port: "many" } }, word: "many" },
  ])("meets a broken $what with peers on disk: forwards as before, says so once, goes on", async (broken) => {
    await using lab = await createLab({ hosts: 2 });
    const host = lab.host(0);
    const { subnet } = await host.agent.status();
    await host.agent.stop();
    await lab.etcd.putConfig({ Network: lab.network, ...broken.config });
    const logged = (await host.agent.logLines()).length;
    const agent = await host.startAgent();
    await waitForLine(agent, broken.word);
    expect(await host.pod.ping(lab.host(1).pod.address, { count: 20 })).toMatchObject({ lost: 0 });
    const { code, reason } = await agent.readyz();
    expect(code).toBe(503);
    expect(reason).toContain(broken.word);
    expect(await errorLines(host, logged)).toHaveLength(1);

    await lab.etcd.putConfig({ Network: lab.network });
    await agent.waitReady(10_000);
    expect((await agent.status()).subnet).toBe(subnet);
    expect(await errorLines(host, logged)).toHaveLength(1);
  });

  it("says that every subnet is taken, and takes the first that gets free", async () => {
    // A /28 cut into /30 has three: the first of the four is never given away.
    const taken = [4, 8, 12].map((last) => ({
      subnet: `10.244.0.${last}-30`,
      publicIp: `198.51.100.${last}`,
    }));
    await using lab = await createLab({
      hosts: 1,
      agents: false,
      network: "10.244.0.0/28",
      networkConfig: { SubnetLen: 30 },
    });
    const host = lab.host(0);
    for (const lease of taken) await putLease(lab, lease);
    const before = await networkState(host);
    const agent = await host.startAgent();
    await waitForLine(agent, "ERR_SUBNETS_EXHAUSTED", "10.244.0.0/28");
    expect((await errorLines(host)).map(({ code }) => code)).toEqual(["ERR_SUBNETS_EXHAUSTED"]);
    expect((await agent.readyz()).code).toBe(503);
    expect(await networkState(host)).toBe(before);

    await deleteLease(lab, "10.244.0.8-30");
    await agent.waitReady(60_000);
    expect((await agent.status()).subnet).toBe("10.244.0.8/30");
  });

  it("cannot write its subnet file on a full disk: forwards, is not ready, and writes it when there is room", async () => {
    await using lab = await createLab({ hosts: 2 });
    const host = lab.host(0);
    await host.agent.stop();
    const disk = join(lab.directory, "full");
    await mkdir(disk);
    await host.execChecked(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", disk]);
    try {
      const filler = join(disk, "filler");
      await writeFile(filler, Buffer.alloc(4096));
      const agent = await host.startAgent([`--subnet-file=${disk}/subnet.env`]);
      await waitForLine(agent, "ERR_FILE_FAILED", "ENOSPC");
      const reason = await eventually(async () => {
        const answer = await agent.readyz();
        expect(answer.code).toBe(503);
        return answer.reason?.includes("subnet file") === true && answer.reason;
      });
      expect(reason).toContain("ENOSPC");
      expect(await host.pod.ping(lab.host(1).pod.address, { count: 20 })).toMatchObject({ lost: 0 });
      expect(await readdir(disk)).toEqual(["filler"]);

      await rm(filler);
      await agent.waitReady(15_000);
      expect(await readFile(join(disk, "subnet.env"), "utf8")).toContain("FLANNEL_SUBNET=");
      await agent.stop();
    } finally {
      await host.execChecked(["umount", "--lazy", disk]);
    }
  });
});
