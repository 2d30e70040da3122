import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ensureNodeId, readNodeId } from "../../../../src/agent/files/node-id.ts";

describe("node id", () => {
  let directory: string;
  let stateDir: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "twill-node-id-"));
    stateDir = join(directory, "state");
  });

  afterEach(() => rm(directory, { recursive: true }));

  it("is not there at first, and reading makes nothing", async () => {
    expect(await readNodeId(stateDir)).toBeNull();
    expect(await readdir(directory)).toEqual([]);
  });

  it("is made once, 128 bits in hex, for root alone", async () => {
    const id = await ensureNodeId(stateDir);
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(await ensureNodeId(stateDir)).toBe(id);
    expect(await readNodeId(stateDir)).toBe(id);
    expect(await readFile(join(stateDir, "node-id"), "utf8")).toBe(`${id}\n`);
    expect((await lstat(join(stateDir, "node-id"))).mode & 0o777).toBe(0o600);
    expect(await readdir(stateDir)).toEqual(["node-id"]);
  });

  it("is another one on another node", async () => {
    expect(await ensureNodeId(stateDir)).not.toBe(await ensureNodeId(join(directory, "other")));
  });

  it("is one when two agents make it at once", async () => {
    const ids = await Promise.all([ensureNodeId(stateDir), ensureNodeId(stateDir)]);
    expect(await readNodeId(stateDir)).toBe(ids[0]);
    expect(ids[1]).toBe(ids[0]);
  });

  it.each(["", "0123", "g".repeat(32), "A".repeat(32), `${"0".repeat(32)}\n${"1".repeat(32)}`])(
    "is refused when the file holds %j, and the file stays",
    async (text) => {
      await mkdir(stateDir);
      await writeFile(join(stateDir, "node-id"), text);
      await expect(ensureNodeId(stateDir)).rejects.toMatchObject({
        code: "ERR_FILE_FAILED",
        message: expect.stringMatching(
          /is not 32 lower-case hex digits; restore the file, or remove it/,
        ) as string,
      });
      expect(await readFile(join(stateDir, "node-id"), "utf8")).toBe(text);
    },
  );

  it("fails with the path when the directory cannot be made", async () => {
    await writeFile(stateDir, "a file");
    await chmod(stateDir, 0o600);
    await expect(ensureNodeId(stateDir)).rejects.toMatchObject({
      code: "ERR_FILE_FAILED",
      message: expect.stringContaining(join(stateDir, "node-id")) as string,
    });
  });
});
