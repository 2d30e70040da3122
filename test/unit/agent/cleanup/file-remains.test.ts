import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findFileRemains } from "../../../../src/agent/cleanup/file-remains.ts";

const NO_ABORT = new AbortController().signal;

describe("findFileRemains", () => {
  let root: string;
  const at = (path: string): string => join(root, path);
  const paths = (): { subnetFile: string; runDir: string; stateDir: string } => ({
    subnetFile: at("run/flannel/subnet.env"),
    runDir: at("run/twill"),
    stateDir: at("lib/twill"),
  });

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "twill-cleanup-"));
  });

  afterEach(() => rm(root, { recursive: true }));

  async function write(...files: string[]): Promise<void> {
    for (const file of files) {
      await mkdir(dirname(at(file)), { recursive: true });
      await writeFile(at(file), "");
    }
  }

  async function names(): Promise<string[]> {
    const remains = await findFileRemains(paths());
    return remains.flatMap((one) => one.names).map((name) => name.replace(`${root}/`, ""));
  }

  async function removeAll(): Promise<boolean[]> {
    const removed: boolean[] = [];
    for (const one of await findFileRemains(paths())) removed.push(await one.remove(NO_ABORT));
    return removed;
  }

  it("finds nothing where no agent ran, and makes nothing", async () => {
    expect(await names()).toEqual([]);
    expect(await readdir(root)).toEqual([]);
  });

  it("finds every file of an agent, those of a crash too, and each directory after them", async () => {
    await write("run/flannel/subnet.env", "run/flannel/.subnet.env.twill-new");
    await write("run/twill/agent.lock", "run/twill/agent.sock");
    const temporaryId = `.node-id.${"0123456789abcdef".repeat(2)}`;
    await write("lib/twill/node-id", "lib/twill/peers.json", "lib/twill/.peers.json.twill-new");
    await write(`lib/twill/${temporaryId}`);

    expect((await names()).sort()).toEqual(
      [
        "directory lib/twill",
        "directory run/flannel",
        "directory run/twill",
        `file lib/twill/${temporaryId}`,
        "file lib/twill/.peers.json.twill-new",
        "file lib/twill/node-id",
        "file lib/twill/peers.json",
        "file run/flannel/.subnet.env.twill-new",
        "file run/flannel/subnet.env",
        "file run/twill/agent.lock",
        "file run/twill/agent.sock",
      ].sort(),
    );
    expect(await removeAll()).not.toContain(false);
    expect((await readdir(root, { recursive: true })).sort()).toEqual(["lib", "run"]);
  });

  it("leaves other files, and the directory they are in", async () => {
    await write("run/flannel/subnet.env", "run/flannel/docker_opts.env");
    await write("lib/twill/node-id", "lib/twill/.node-id.bak", "lib/twill/notes/node-id");

    expect(await names()).toEqual(["file run/flannel/subnet.env", "file lib/twill/node-id"]);
    await removeAll();
    expect(await readdir(at("run/flannel"))).toEqual(["docker_opts.env"]);
    expect((await readdir(at("lib/twill"))).sort()).toEqual([".node-id.bak", "notes"]);
  });

  it("leaves an empty directory: it held no file of an agent", async () => {
    await mkdir(at("run/twill"), { recursive: true });
    expect(await names()).toEqual([]);
  });

  it("looks once at a directory that holds several kinds of files", async () => {
    await write("all/subnet.env", "all/agent.lock", "all/node-id");
    const remains = await findFileRemains({
      subnetFile: at("all/subnet.env"),
      runDir: at("all"),
      stateDir: at("other/../all"),
    });
    expect(remains.flatMap((one) => one.names)).toHaveLength(4);
    for (const one of remains) expect(await one.remove(NO_ABORT)).toBe(true);
    expect(await readdir(root)).toEqual([]);
  });

  it("removes a link and not what it leads to", async () => {
    await write("elsewhere/subnet.env");
    await mkdir(at("run/flannel"), { recursive: true });
    await symlink(at("elsewhere/subnet.env"), at("run/flannel/subnet.env"));
    await removeAll();
    expect((await readdir(root, { recursive: true })).sort()).toEqual([
      "elsewhere",
      "elsewhere/subnet.env",
      "run",
    ]);
  });

  it("says of what went or filled up meanwhile that it was not removed, without an error", async () => {
    await write("run/flannel/subnet.env", "lib/twill/node-id");
    const [subnetFile, subnetDirectory, nodeId, stateDirectory] = await findFileRemains(paths());
    await rm(at("run"), { recursive: true });
    await write("lib/twill/new");
    expect(await subnetFile?.remove(NO_ABORT)).toBe(false);
    expect(await subnetDirectory?.remove(NO_ABORT)).toBe(false);
    expect(await nodeId?.remove(NO_ABORT)).toBe(true);
    expect(await stateDirectory?.remove(NO_ABORT)).toBe(false);
    expect(await readdir(at("lib/twill"))).toEqual(["new"]);
  });

  it("names a thing that it cannot remove", async () => {
    await mkdir(at("lib/twill/node-id"), { recursive: true });
    await expect(removeAll()).rejects.toMatchObject({
      code: "ERR_FILE_FAILED",
      message: expect.stringContaining(`Cannot remove ${at("lib/twill/node-id")}`) as string,
    });
  });
});
