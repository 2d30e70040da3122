import { execFile, spawn } from "node:child_process";
import { chmod, lstat, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { replaceFile } from "../../../src/files/replace-file.ts";
import type { FileModes } from "../../../src/files/replace-file.ts";
import { eventually } from "../../support/eventually.ts";

const CHILD = resolve(import.meta.dirname, "../../support/replace-file-child.ts");
/** As the subnet file's, and as the saved state's. */
const OPEN: FileModes = { fileMode: 0o644, keepsFileMode: true, directoryMode: 0o755 };
const PRIVATE: FileModes = { fileMode: 0o600, keepsFileMode: false, directoryMode: 0o700 };

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
    await replaceFile(path, "A=1\n", OPEN);
    expect(await readFile(path, "utf8")).toBe("A=1\n");
    expect(await modeOf(path)).toBe("644");
  });

  it("keeps the mode of a file that is there", async () => {
    await replaceFile(path, "A=1\n", OPEN);
    await chmod(path, 0o640);
    await replaceFile(path, "A=2\n", OPEN);
    expect(await readFile(path, "utf8")).toBe("A=2\n");
    expect(await modeOf(path)).toBe("640");
  });

  it("narrows who may use a file that is there, where that is asked for", async () => {
    await replaceFile(path, "A=1\n", PRIVATE);
    await chmod(path, 0o644);
    await replaceFile(path, "A=2\n", PRIVATE);
    expect(await readFile(path, "utf8")).toBe("A=2\n");
    expect(await modeOf(path)).toBe("600");
  });

  it("replaces a symbolic link, not the file it leads to", async () => {
    const elsewhere = join(directory, "elsewhere");
    await writeFile(elsewhere, "untouched", { mode: 0o600 });
    const link = join(directory, "subnet.env");
    await symlink(elsewhere, link);
    await replaceFile(link, "A=1\n", OPEN);
    expect(await readFile(elsewhere, "utf8")).toBe("untouched");
    expect((await lstat(link)).isFile()).toBe(true);
    expect(await modeOf(link)).toBe("644");
  });

  it("S4: clears what a crash between write and rename left, and shows the old text until then", async () => {
    await replaceFile(path, "A=1\n", OPEN);
    const leftover = join(directory, "flannel", ".subnet.env.twill-new");
    await writeFile(leftover, "A=");
    expect(await readFile(path, "utf8")).toBe("A=1\n");
    await replaceFile(path, "A=2\n", OPEN);
    expect(await readdir(join(directory, "flannel"))).toEqual(["subnet.env"]);
  });

  it("leaves no file and names the path when the target cannot be replaced", async () => {
    const occupied = join(directory, "occupied");
    await replaceFile(join(occupied, "file"), "x", OPEN); // `occupied` is a directory that is not empty
    await expect(replaceFile(occupied, "A=1\n", OPEN)).rejects.toMatchObject({
      code: "ERR_FILE_FAILED",
      message: expect.stringContaining(`Cannot write ${occupied}: EISDIR`) as string,
    });
    expect(await readdir(directory)).toEqual(["occupied"]);
  });

  it("fails when a part of the path is a file", async () => {
    await writeFile(join(directory, "flannel"), "");
    const inTheWay = join(directory, "flannel");
    const failure = {
      code: "ERR_FILE_FAILED",
      message: `Cannot write ${path}: ${inTheWay} is a file, not a directory`,
    };
    await expect(replaceFile(path, "A=1\n", OPEN)).rejects.toMatchObject(failure);
    await expect(replaceFile(path, "A=1\n", { ...OPEN, keepsFileMode: false })).rejects.toMatchObject(
      failure,
    );
  });

  it("leaves the old file as it was when the new one does not fit", async () => {
    await replaceFile(path, "A=1\n", OPEN);
    // A limit on the size of a file stands for a full disk, which only root can make.
    const args = ["--fsize=4096", process.execPath, CHILD, path, "2", "5000"];
    expect((await promisify(execFile)("prlimit", args)).stdout).toBe("ERR_FILE_FAILED\nERR_FILE_FAILED\n");
    expect(await readFile(path, "utf8")).toBe("A=1\n");
    expect(await readdir(join(directory, "flannel"))).toEqual(["subnet.env"]);
  });

  it("leaves the old text or the new one when it is killed", async () => {
    for (let round = 0; round < 3; round += 1) {
      const child = spawn(process.execPath, [CHILD, path, "10000", "100000"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const exited = new Promise((done) => child.once("exit", done));
      let output = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
      await eventually(() => output.split("written\n").length > 3 + round, { timeoutMs: 10_000 });
      child.kill("SIGKILL");
      await exited;
      expect(await readFile(path, "utf8")).toMatch(/^([a-z])\1{99999}$/);
    }
    await replaceFile(path, "A=1\n", OPEN); // clears what the crash left
    expect(await readdir(join(directory, "flannel"))).toEqual(["subnet.env"]);
  }, 40_000);
});
