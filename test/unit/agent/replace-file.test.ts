import { chmod, lstat, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { replaceFile } from "../../../src/agent/replace-file.ts";

describe("replaceFile", () => {
  let directory: string;
  let path: string;
  let umask: number;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "twill-replace-file-"));
    path = join(directory, "flannel", "subnet.env");
    umask = process.umask(0o077);
  });

  afterEach(async () => {
    process.umask(umask);
    await rm(directory, { recursive: true });
  });

  const modeOf = async (of: string): Promise<string> => ((await lstat(of)).mode & 0o7777).toString(8);

  it("makes directory and file, with the mode that is asked for whatever the umask is", async () => {
    await replaceFile(path, "A=1\n", 0o644);
    expect(await readFile(path, "utf8")).toBe("A=1\n");
    expect(await modeOf(path)).toBe("644");
  });

  it("keeps the mode of a file that is there", async () => {
    await replaceFile(path, "A=1\n", 0o644);
    await chmod(path, 0o640);
    await replaceFile(path, "A=2\n", 0o644);
    expect(await readFile(path, "utf8")).toBe("A=2\n");
    expect(await modeOf(path)).toBe("640");
  });

  it("replaces a symbolic link, not the file it leads to", async () => {
    const elsewhere = join(directory, "elsewhere");
    await writeFile(elsewhere, "untouched", { mode: 0o600 });
    const link = join(directory, "subnet.env");
    await symlink(elsewhere, link);
    await replaceFile(link, "A=1\n", 0o644);
    expect(await readFile(elsewhere, "utf8")).toBe("untouched");
    expect((await lstat(link)).isFile()).toBe(true);
    expect(await modeOf(link)).toBe("644");
  });

  it("S4: clears what a crash between write and rename left, and shows the old text until then", async () => {
    await replaceFile(path, "A=1\n", 0o644);
    const leftover = join(directory, "flannel", ".subnet.env.twill-new");
    await writeFile(leftover, "A=");
    expect(await readFile(path, "utf8")).toBe("A=1\n");
    await replaceFile(path, "A=2\n", 0o644);
    expect(await readdir(join(directory, "flannel"))).toEqual(["subnet.env"]);
  });

  it("leaves no file and names the path when the target cannot be replaced", async () => {
    const occupied = join(directory, "occupied");
    await replaceFile(join(occupied, "file"), "x", 0o644); // `occupied` is a directory that is not empty
    await expect(replaceFile(occupied, "A=1\n", 0o644)).rejects.toMatchObject({
      code: "ERR_FILE_FAILED",
      message: expect.stringContaining(`Cannot write ${occupied}: EISDIR`) as string,
    });
    expect(await readdir(directory)).toEqual(["occupied"]);
  });

  it("fails when a part of the path is a file", async () => {
    await writeFile(join(directory, "flannel"), "");
    await expect(replaceFile(path, "A=1\n", 0o644)).rejects.toMatchObject({ code: "ERR_FILE_FAILED" });
  });
});
