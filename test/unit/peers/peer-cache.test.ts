import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { formatCachedState } from "../../../src/peers/cached-state.ts";
import type { CachedState } from "../../../src/peers/cached-state.ts";
import { loadPeerCache } from "../../../src/peers/peer-cache.ts";
import { prefixOf } from "../../support/ipv4.ts";
import { peers } from "./leases.ts";

const STATE: CachedState = {
  etcdPrefix: "/coreos.com/network",
  network: prefixOf("10.244.0.0/16"),
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

describe("loadPeerCache", () => {
  it("reads what formatCachedState has made", async () => {
    await writeFile(path, formatCachedState(STATE));
    expect(await loadPeerCache(path)).toEqual({ state: STATE, problem: null });
  });

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
