import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runChecked, runCommand } from "../../src/lab/machine/run-command.ts";
import { endOf, printed } from "../support/child-output.ts";
import { makeLabFolder, namespacesOf, removeLabFolder } from "../support/lab-folder.ts";

const TWILL = fileURLToPath(new URL("../../bin/twill", import.meta.url));
const LEAVES_NOTHING = fileURLToPath(new URL("../support/lab-leaves-nothing.ts", import.meta.url));

let stateDirectory: string;
beforeAll(() => (stateDirectory = makeLabFolder()));
afterAll(async () => await removeLabFolder(stateDirectory));

describe("twill lab", () => {
  it("leaves nothing behind: namespaces, processes, mounts, devices, files", async () => {
    const { stdout, stderr, code } = await runCommand(
      ["unshare", "--mount", "--pid", "--fork", "--mount-proc", process.execPath, LEAVES_NOTHING],
      { timeoutMs: 60_000 },
    );
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const { before, between, after } = JSON.parse(stdout) as Record<string, Record<string, string[]>>;
    expect(between?.namespaces).toHaveLength((before?.namespaces?.length ?? 0) + 5);
    expect(between?.processes?.length).toBe((before?.processes?.length ?? 0) + 3); // etcd and two agents
    expect(after).toEqual(before);
  });

  it("goes up, shows itself, runs commands and passes their exit codes on, and goes down", async () => {
    const named = ["--name", "cli", "--state-dir", stateDirectory];
    const files = join(stateDirectory, "files");
    await mkdir(files);
    const up = await runCommand([
      TWILL,
      "lab",
      "up",
      "--hosts",
      "2",
      "--subnet-file",
      join(files, "%h.env"),
      ...named,
    ]);
    try {
      expect(up).toMatchObject({ code: 0, stderr: "" });
      expect(up.stdout).toContain("| eth0 192.0.2.2        |");
      expect(readdirSync(files).sort()).toEqual(["h1.env", "h2.env"]);

      const status = await runChecked([TWILL, "lab", "status", ...named]);
      const [about, , h1, h2] = status.trimEnd().split("\n");
      expect(about).toMatch(
        /^Lab cli: overlay 10\.244\.0\.0\/16, underlay MTU 1500, etcd http:.* \(pid [0-9]+\)$/,
      );
      expect(h1).toMatch(
        /^h1 +192\.0\.2\.1 +10\.244\.[0-9]+\.0\/24 +[0-9]+ +ready +1 +h1p1 10\.244\.[0-9]+\.2$/,
      );
      const target = h2?.split(" ").at(-1) ?? "";
      const ping = await runCommand([
        TWILL,
        "lab",
        "exec",
        ...named,
        "h1p1",
        "--",
        "ping",
        "-c",
        "2",
        target,
      ]);
      expect(ping.stdout).toContain("2 packets transmitted, 2 received");
      expect(await runCommand([TWILL, "lab", "exec", ...named, "h1", "sh", "-c", "exit 7"])).toMatchObject({
        code: 7,
      });
      const nowhere = await runCommand([TWILL, "lab", "exec", ...named, "h9", "--", "true"]);
      expect(nowhere).toMatchObject({
        code: 2,
        stderr: 'twill: Cannot run a command in "h9": the lab has h1, h2, h1p1, h2p1\n',
      });
    } finally {
      const down = await runCommand([TWILL, "lab", "down", ...named]);
      expect(down).toMatchObject({ code: 0, stdout: "Lab cli is taken down.\n" });
    }
    expect(readdirSync(files)).toEqual([]);
    const again = await runCommand([TWILL, "lab", "down", ...named]);
    expect(again).toMatchObject({ code: 0, stdout: "There is no lab cli.\n" });
  });

  it("shows in a demo that everything works, and ends with demo: ok", async () => {
    const demo = await runCommand([TWILL, "lab", "demo", "--state-dir", stateDirectory], {
      timeoutMs: 60_000,
    });
    expect(demo).toMatchObject({ code: 0, stderr: "" });
    expect(demo.stdout.trimEnd().split("\n").at(-1)).toBe("demo: ok");
    expect(demo.stdout.match(/20 of 20 answered +[0-9.]+ ms +TTL 60$/gm)).toHaveLength(6);
    expect(demo.stdout).toMatch(/192\.0\.2\.1:8285 > 192\.0\.2\.2:8285, UDP, 112 bytes, TTL 64/);
    expect(readdirSync(stateDirectory).filter((name) => name.startsWith("demo-"))).toEqual([]);
  });

  it("says what failed, keeps the logs and leaves nothing else", async () => {
    const options = ["--hosts", "1", "--name", "bad", "--state-dir", stateDirectory];
    const up = await runCommand([TWILL, "lab", "up", ...options, "--backend", "nosuch"]);
    expect(up.code).toBe(1);
    expect(up.stderr).toContain("has ended; its log ends with");
    const logs = /^The logs are kept in (.*)$/m.exec(up.stderr)?.[1] ?? "";
    expect(readdirSync(logs).sort()).toEqual(["etcd.log", "h1-agent.log"]);
    expect(readFileSync(join(logs, "h1-agent.log"), "utf8")).toContain("ERR_BACKEND_UNKNOWN");
    rmSync(logs, { recursive: true });
    expect(namespacesOf("bad")).toEqual([]);
    expect(existsSync(join(stateDirectory, "bad"))).toBe(false);
  });

  it("takes an unfinished demo down when nobody reads its output any more", async () => {
    const demo = spawn(TWILL, ["lab", "demo", "--state-dir", stateDirectory], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = endOf(demo);
    await printed(demo, "on the underlay bridge");
    demo.stdout.destroy();
    expect(await ended).toBe(141);
    expect(namespacesOf(`demo-${demo.pid ?? 0}`)).toEqual([]);
  });

  it.each(["SIGINT", "SIGTERM"] as const)("takes an unfinished demo down on %s", async (signal) => {
    const demo = spawn(TWILL, ["lab", "demo", "--state-dir", stateDirectory], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = endOf(demo);
    await printed(demo, "on the underlay bridge");
    demo.kill(signal);
    expect(await ended).toBe(signal === "SIGINT" ? 130 : 143);
    expect(namespacesOf(`demo-${demo.pid ?? 0}`)).toEqual([]);
    expect(readdirSync(stateDirectory).filter((name) => name.startsWith("demo-"))).toEqual([]);
  });
});
