import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const TWILL = resolve(import.meta.dirname, "../../../bin/twill");

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "twill-docker-opts-"));
});
afterEach(() => rm(directory, { recursive: true }));

/** Runs `twill docker-opts` in the test's directory, with these variables beside PATH. */
async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return new Promise<{ status: number; stdout: string; stderr: string }>((done) => {
    const options = { cwd: directory, env: { PATH: process.env.PATH, ...env } };
    execFile(TWILL, ["docker-opts", ...args], options, (error, stdout, stderr) =>
      done({ status: typeof error?.code === "number" ? error.code : 0, stdout, stderr }),
    );
  });
}

describe("twill docker-opts", () => {
  it("writes what file and environment say, silently", async () => {
    await writeFile(
      join(directory, "s"),
      "FLANNEL_SUBNET=10.1.74.1/24\nFLANNEL_MTU=1472\nFLANNEL_IPMASQ=false\n",
    );
    const env = { DOCKER_OPTS: "-H fd://", DOCKER_OPT_LOG: "--log-level=warn" };
    expect(await run(["-f", "s", "-d", "o"], env)).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(await readFile(join(directory, "o"), "utf8")).toBe(
      [
        'DOCKER_OPT_BIP="--bip=10.1.74.1/24"',
        'DOCKER_OPT_IPMASQ="--ip-masq=true"',
        'DOCKER_OPT_LOG="--log-level=warn"',
        'DOCKER_OPT_MTU="--mtu=1472"',
        'DOCKER_OPTS="-H fd://  --bip=10.1.74.1/24 --ip-masq=true --log-level=warn --mtu=1472"',
        "",
      ].join("\n"),
    );
  });

  it("reads the subnet file that the agent's variable names", async () => {
    await writeFile(join(directory, "s"), "FLANNEL_SUBNET=10.1.74.1/24\n");
    const env = { FLANNELD_SUBNET_FILE: join(directory, "s") };
    expect(await run(["-i", "-m", "-d", "o"], env)).toMatchObject({ status: 0 });
    expect(await readFile(join(directory, "o"), "utf8")).toContain('DOCKER_OPT_BIP="--bip=10.1.74.1/24"');
  });

  it.each([[["-h"]], [["-?"]], [["-x"]], [["-f"]], [["more"]]])(
    "shows its usage on standard error for %j",
    async (args) => {
      const { status, stdout, stderr } = await run([...args, "-d", "o"]);
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toContain("Usage: twill docker-opts [-f FILE] [-d FILE] [-i] [-c] [-m] [-k NAME]");
      await expect(readFile(join(directory, "o"))).rejects.toMatchObject({ code: "ENOENT" });
    },
  );

  it("prints help on standard output for --help", async () => {
    const { status, stdout, stderr } = await run(["--help"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("Usage: twill docker-opts");
  });

  it("refuses in one line, with status 1", async () => {
    await writeFile(join(directory, "s"), "FLANNEL_IPMASQ=maybe\n");
    const refused = await run(["-f", "s", "-d", "o"]);
    expect(refused).toMatchObject({ status: 1, stdout: "" });
    expect(refused.stderr).toMatch(/^twill: Cannot make Docker's options: FLANNEL_IPMASQ is "maybe".*\n$/);
    expect(await run(["--check", "-f", "none"])).toEqual({
      status: 1,
      stdout: "",
      stderr:
        "twill: Cannot use this host's subnet: there is no none yet; start twill agent and wait for its lease\n",
    });
  });
});
