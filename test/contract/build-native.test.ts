import { execFile } from "node:child_process";
import { access, mkdtemp, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "../..");
/** It takes seconds where nobody else does much; with the lowest priority beside others, minutes. */
const BUILD_MS = 900_000;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "twill-build-"));
});

afterEach(() => rm(directory, { recursive: true }));

/** A compiler that fails when one of its arguments contains this text. */
async function compilerWithout(text: string): Promise<string> {
  const path = join(directory, "cc");
  const script = `#!/bin/sh\ncase "$*" in *${text}*) echo "cannot compile ${text}" >&2; exit 1 ;; esac\nexec gcc "$@"\n`;
  await writeFile(path, script, { mode: 0o755 });
  return path;
}

function build(cc: string): Promise<{ stdout: string; stderr: string }> {
  return run(join(ROOT, "scripts/build-native"), ["--out", directory], { env: { ...process.env, CC: cc } });
}

describe("scripts/build-native", () => {
  it("builds again only what is older than its sources", { timeout: BUILD_MS }, async () => {
    await build("gcc");
    const first = await stat(join(directory, "twill_engine.node"));
    expect(await build("false")).toEqual({ stdout: "", stderr: "" });
    expect((await stat(join(directory, "twill_engine.node"))).mtimeMs).toBe(first.mtimeMs);
  });

  it("goes on without the engine where that does not build", { timeout: BUILD_MS }, async () => {
    const engine = join(directory, "twill_engine.node");
    await writeFile(engine, "of older sources");
    await utimes(engine, 0, 0);
    const { stderr } = await build(await compilerWithout("engine_addon"));
    expect(stderr).toMatch(/^build-native: the native packet engine does not build, .*\n$/);
    await access(join(directory, "twill_tun.node"));
    await expect(access(engine)).rejects.toThrow("ENOENT");
  });

  it("fails where the first addon does not build", { timeout: BUILD_MS }, async () => {
    const cc = await compilerWithout("/addon.c");
    await expect(build(cc)).rejects.toMatchObject({ code: 1, stderr: "cannot compile /addon.c\n" });
  });

  it("puts no engine without checks where agents look for one", async () => {
    await expect(run(join(ROOT, "scripts/build-native"), ["--without-checks"])).rejects.toMatchObject({
      code: 2,
    });
  });
});

describe("scripts/build-matrix", () => {
  it(
    "builds with gcc and clang for x64 and arm64, and loads on Node.js 22 and 24",
    { timeout: BUILD_MS },
    async () => {
      const { stdout } = await run("nice", ["-n", "19", join(ROOT, "scripts/build-matrix")]);
      expect(stdout.trim().split("\n")).toEqual([
        "gcc-x64: both addons build, for Advanced Micro Devices X86-64",
        "clang-x64: both addons build, for Advanced Micro Devices X86-64",
        "gcc-arm64: both addons build, for AArch64",
        "clang-arm64: both addons build, for AArch64",
        expect.stringMatching(/^gcc-x64: loads and works on Node.js v22\./),
        expect.stringMatching(/^clang-x64: loads and works on Node.js v22\./),
        expect.stringMatching(/^gcc-x64: loads and works on Node.js v24\./),
        expect.stringMatching(/^clang-x64: loads and works on Node.js v24\./),
      ]);
    },
  );
});
