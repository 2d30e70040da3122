import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createNftCommand } from "../../../../src/kernel/firewall/nft-command.ts";
import type { NftCommand } from "../../../../src/kernel/firewall/nft-command.ts";

const NO_ABORT = new AbortController().signal;
/** What nft 1.0.6 says of a table that is not there. */
const NOT_THERE = "Error: No such file or directory\nlist table ip nope\n              ^^^^";
/** What it says without the capability. */
const DENIED = "Operation not permitted (you must be root)\nnetlink: Error: cache initialization failed";

/** Runs `use` with a program of this shell text in the place of nft. */
async function withProgram(text: string, use: (nft: NftCommand) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "twill-nft-"));
  try {
    const program = join(directory, "nft");
    await writeFile(program, `#!/bin/sh\n${text}\n`);
    await chmod(program, 0o755);
    await use(createNftCommand({ program, deadlineMs: 5_000 }));
  } finally {
    await rm(directory, { recursive: true });
  }
}

describe("createNftCommand", () => {
  it("resolves with what the real nft prints", async () => {
    expect(await createNftCommand().read(["--version"], NO_ABORT)).toMatch(/^nftables v/);
  });

  it("runs nft with its arguments as they are", async () => {
    await withProgram('printf "<%s>" "$@"', async (nft) => {
      expect(await nft.read(["list", "a b;c"], NO_ABORT)).toBe("<list><a b;c>");
      expect(await nft.listTable("ip", "t", NO_ABORT)).toBe("<-s><list><table><ip><t>");
    });
  });

  it("knows what is not there from what cannot be read", async () => {
    await withProgram(`echo "${NOT_THERE}" >&2; exit 1`, async (nft) => {
      expect(await nft.listTable("ip", "nope", NO_ABORT)).toBeNull();
      expect(await nft.listJson(["table", "ip", "nope"], NO_ABORT)).toBeNull();
      await expect(nft.read(["list", "table", "ip", "nope"], NO_ABORT)).rejects.toMatchObject({
        code: "ERR_KERNEL_FAILED",
        message: "Cannot read the firewall: nft list table ip nope: No such file or directory",
      });
    });
    await withProgram(`echo "${DENIED}" >&2; exit 1`, async (nft) => {
      const failure = {
        code: "ERR_KERNEL_FAILED",
        message:
          "Cannot read the firewall: nft -s list table ip t: Operation not permitted (you must be root)",
      };
      await expect(nft.listTable("ip", "t", NO_ABORT)).rejects.toMatchObject(failure);
      await expect(nft.listJson(["tables"], NO_ABORT)).rejects.toMatchObject({ code: "ERR_KERNEL_FAILED" });
    });
  });

  it("reads JSON", async () => {
    await withProgram(`echo '{"nftables": []}'`, async (nft) => {
      expect(await nft.listJson(["tables"], NO_ABORT)).toEqual({ nftables: [] });
    });
    await withProgram("echo table ip t", async (nft) => {
      await expect(nft.listJson(["tables"], NO_ABORT)).rejects.toMatchObject({
        code: "ERR_KERNEL_FAILED",
        message:
          "Cannot read the output of nft -j list tables: it is not JSON, install nftables 0.9.1 or newer",
      });
    });
  });

  it("hands over the script, and reports the first line of what nft said about it", async () => {
    await withProgram('test "$*" = "-f -" && exec grep -q "^add table ip t$"', async (nft) => {
      await nft.apply("add table ip t\n", NO_ABORT);
    });
    const said = "/dev/stdin:1:6-6: Error: syntax error, unexpected newline, expecting string";
    await withProgram(`echo "${said}" >&2; echo "bogus" >&2; exit 1`, async (nft) => {
      await expect(nft.apply("bogus\n", NO_ABORT)).rejects.toMatchObject({
        code: "ERR_KERNEL_FAILED",
        message: `Cannot change the firewall: nft -f -: ${said}`,
      });
    });
  });

  it("says what to install when there is no nft", async () => {
    const nft = createNftCommand({ program: "/nowhere/nft", deadlineMs: 1_000 });
    await expect(nft.listTable("ip", "t", NO_ABORT)).rejects.toMatchObject({
      code: "ERR_KERNEL_FAILED",
      message: "Cannot run /nowhere/nft: not found in PATH, install nftables",
    });
  });
});
