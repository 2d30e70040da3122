import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { acquireInstanceLock } from "../../../../src/agent/files/single-instance.ts";
import { countDescriptors } from "../../../support/process-resources.ts";

const HOLDER = join(import.meta.dirname, "../../../support/lock-holder.ts");
let base: string;
let runDir: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "twill-lock-"));
  runDir = join(base, "run");
});
afterEach(() => rmSync(base, { recursive: true }));

describe("acquireInstanceLock", () => {
  it("makes the directory and writes our pid to a file that only we can read", () => {
    const lock = acquireInstanceLock(runDir);
    expect(lock.path).toBe(join(runDir, "agent.lock"));
    expect(readFileSync(lock.path, "utf8")).toBe(`${process.pid}\n`);
    expect(statSync(lock.path).mode & 0o777).toBe(0o600);
    lock.release();
  });

  it("refuses a second holder, names the first and the file, and leaves both as they are", () => {
    const first = acquireInstanceLock(runDir);
    const descriptors = countDescriptors();
    expect(() => acquireInstanceLock(runDir)).toThrow(
      expect.objectContaining({
        code: "ERR_ALREADY_RUNNING",
        message: `Cannot start: process ${process.pid} holds ${first.path}`,
        fields: { holder: `process ${process.pid}`, runDir },
      }),
    );
    expect(countDescriptors()).toBe(descriptors);
    expect(readFileSync(first.path, "utf8")).toBe(`${process.pid}\n`);
    first.release();
  });

  it("says what to do where only root may write", async () => {
    chmodSync(base, 0o555);
    const uid = process.getuid?.() === 0 ? { uid: 65_534 } : {}; // as root nothing is denied
    const holder = spawn(process.execPath, [HOLDER, runDir], { stdio: ["ignore", "ignore", "pipe"], ...uid });
    const said: Buffer[] = [];
    holder.stderr.on("data", (part: Buffer) => said.push(part));
    await once(holder, "close");
    const path = join(runDir, "agent.lock");
    expect(Buffer.concat(said).toString()).toContain(
      `Cannot lock ${path}: EACCES: permission denied, mkdir '${runDir}'; run as root, or give --run-dir`,
    );
  });

  it("can be had again after a release, and replaces a longer pid", () => {
    acquireInstanceLock(runDir).release();
    writeFileSync(join(runDir, "agent.lock"), "4194304999\n");
    const lock = acquireInstanceLock(runDir);
    expect(readFileSync(lock.path, "utf8")).toBe(`${process.pid}\n`);
    lock.release();
  });

  it("is free again when its holder is killed", async () => {
    const holder = spawn(process.execPath, [HOLDER, runDir], { stdio: ["ignore", "pipe", "inherit"] });
    await once(holder.stdout, "data"); // it says when it has the lock
    expect(() => acquireInstanceLock(runDir)).toThrow(`Cannot start: process ${holder.pid ?? -1} holds`);
    holder.kill("SIGKILL");
    await once(holder, "exit");
    acquireInstanceLock(runDir).release();
  });

  it("shows foreign text in the file escaped and short", () => {
    const lock = acquireInstanceLock(runDir);
    writeFileSync(lock.path, `\u001b[2J${"x".repeat(1000)}`);
    expect(() => acquireInstanceLock(runDir)).toThrow(/a process that wrote "\\u001b\[2Jx{76}\.\.\." holds/);
    lock.release();
  });

  it("does not follow a link out of the directory", () => {
    const target = join(base, "precious");
    writeFileSync(target, "content");
    acquireInstanceLock(runDir).release();
    rmSync(join(runDir, "agent.lock"));
    symlinkSync(target, join(runDir, "agent.lock"));
    expect(() => acquireInstanceLock(runDir)).toThrow(expect.objectContaining({ code: "ERR_FILE_FAILED" }));
    expect(readFileSync(target, "utf8")).toBe("content");
  });

  it("says which file it could not make", () => {
    writeFileSync(runDir, "a file where the directory should be");
    expect(() => acquireInstanceLock(runDir)).toThrow(
      expect.objectContaining({
        code: "ERR_FILE_FAILED",
        message: `Cannot lock ${join(runDir, "agent.lock")}: ${runDir} is a file, not a directory`,
      }),
    );
  });
});
