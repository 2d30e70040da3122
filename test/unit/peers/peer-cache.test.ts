import { execFile, spawn } from "node:child_process";
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OverlayError } from "../../../src/net/overlay-error.ts";
import type { CachedState } from "../../../src/peers/cached-state.ts";
import { loadPeerCache, savePeerCache } from "../../../src/peers/peer-cache.ts";
import { eventually } from "../../support/eventually.ts";
import { peers, prefix } from "./leases.ts";

const CHILD = resolve(import.meta.dirname, "peer-cache-child.ts");
const STATE: CachedState = {
  etcdPrefix: "/coreos.com/network",
  network: prefix("10.244.0.0/16"),
  networkConfig: '{"Network":"10.244.0.0/16"}',
  ownLease: null,
  registry: null,
  peers: peers(3),
};

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "twill-peer-cache-"));
  path = join(directory, "peers.json");
});
afterEach(() => rm(directory, { recursive: true }));

describe("savePeerCache", () => {
  it("writes a file that loadPeerCache reads and only its owner can", async () => {
    await savePeerCache(path, STATE);
    expect(await loadPeerCache(path)).toEqual({ state: STATE, problem: null });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(["peers.json"]);
  });

  it("replaces the file and narrows who may read it", async () => {
    await savePeerCache(path, STATE);
    await chmod(path, 0o644);
    await savePeerCache(path, { ...STATE, peers: [] });
    expect(await loadPeerCache(path)).toEqual({ state: { ...STATE, peers: [] }, problem: null });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it("replaces a symbolic link and leaves its target alone", async () => {
    const target = join(directory, "target");
    await writeFile(target, "precious");
    await symlink(target, path);
    await savePeerCache(path, STATE);
    expect(await readFile(target, "utf8")).toBe("precious");
    expect((await loadPeerCache(path)).state).toEqual(STATE);
  });

  it("leaves no other file when the rename fails", async () => {
    await mkdir(path);
    const err = await savePeerCache(path, STATE).catch((error: unknown) => error);
    expect(err).toBeInstanceOf(OverlayError);
    expect(err).toMatchObject({ code: "ERR_FILE_FAILED", fields: { path }, cause: { code: "EISDIR" } });
    expect(await readdir(directory)).toEqual(["peers.json"]);
  });

  it("clears what a crash left", async () => {
    await writeFile(join(directory, ".peers.json.new"), '{"version":1,"etcdPre');
    await savePeerCache(path, STATE);
    expect((await loadPeerCache(path)).state).toEqual(STATE);
    expect(await readdir(directory)).toEqual(["peers.json"]);
  });

  it("says so when the directory is not there", async () => {
    const err = await savePeerCache(join(directory, "no", "peers.json"), STATE).catch(
      (error: unknown) => error,
    );
    expect(err).toMatchObject({ code: "ERR_FILE_FAILED", cause: { code: "ENOENT" } });
  });

  it("leaves the old file as it was when the new one does not fit", async () => {
    await savePeerCache(path, STATE);
    const before = await readFile(path);
    // A limit on the size of a file stands for a full disk, which only root can make.
    const args = ["--fsize=4096", process.execPath, CHILD, path, "2", "100"];
    expect((await promisify(execFile)("prlimit", args)).stdout).toBe("ERR_FILE_FAILED\nERR_FILE_FAILED\n");
    expect(await readFile(path)).toEqual(before);
    expect(await readdir(directory)).toEqual(["peers.json"]);
  });

  it("leaves the old state or the new one when it is killed", async () => {
    for (let round = 0; round < 3; round += 1) {
      const child = spawn(process.execPath, [CHILD, path, "10000", "500"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const exited = new Promise((done) => child.once("exit", done));
      let output = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
      await eventually(() => output.split("saved\n").length > 3 + round, { timeoutMs: 10_000 });
      child.kill("SIGKILL");
      await exited;
      const { state, problem } = await loadPeerCache(path);
      expect(problem).toBeNull();
      expect(state?.peers).toHaveLength(500);
    }
    await savePeerCache(path, STATE); // clears what the crash left
    expect(await readdir(directory)).toEqual(["peers.json"]);
  }, 40_000);
});

describe("loadPeerCache", () => {
  it("finds nothing, and nothing wrong, where there is no file", async () => {
    expect(await loadPeerCache(path)).toEqual({ state: null, problem: null });
    expect(await loadPeerCache(join(directory, "no", "peers.json"))).toEqual({ state: null, problem: null });
  });

  it("says what is wrong with a file that is none of ours", async () => {
    await writeFile(path, "{}");
    expect(await loadPeerCache(path)).toEqual({ state: null, problem: "its version is (absent), not 1" });
  });

  it("does not read a file larger than any it would write", async () => {
    await writeFile(path, "");
    await truncate(path, 5_000 * 4_608 + 1);
    expect(await loadPeerCache(path)).toEqual({
      state: null,
      problem: "it has 23040001 bytes, more than 23040000",
    });
  });

  it("reads nothing but a regular file", async () => {
    await mkdir(path);
    expect(await loadPeerCache(path)).toEqual({ state: null, problem: "it is not a regular file" });
    await promisify(execFile)("mkfifo", [join(directory, "fifo")]);
    expect(await loadPeerCache(join(directory, "fifo"))).toEqual({
      state: null,
      problem: "it is not a regular file",
    });
    await symlink(path, join(directory, "link"));
    expect((await loadPeerCache(join(directory, "link"))).problem).toMatch(/^ELOOP/);
  });
});
