import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { withPodsLock } from "../../../src/pod/pods-lock.ts";
import { endOf, printed } from "../../support/child-output.ts";
import { countDescriptors } from "../../support/process-resources.ts";

const HOLDER = join(import.meta.dirname, "../../support/lock-holder.ts");

let directory: string;
let lockFile: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "twill-pods-lock-"));
  lockFile = join(directory, "agent.lock"); // the name that lock-holder.ts takes
});
afterEach(() => rmSync(directory, { recursive: true }));

describe("withPodsLock", () => {
  it("does one thing after another, and gives what each gave", async () => {
    const steps: string[] = [];
    const work = (name: string) => async (): Promise<string> => {
      steps.push(`${name} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      steps.push(`${name} ends`);
      return name;
    };
    const [first, second] = await Promise.all([
      withPodsLock(lockFile, work("first")),
      withPodsLock(lockFile, work("second")),
    ]);
    expect([first, second]).toEqual(["first", "second"]);
    expect(steps).toEqual(["first begins", "first ends", "second begins", "second ends"]);
  });

  it("is free again after an error, and leaves no descriptor", async () => {
    const descriptors = countDescriptors();
    const failing = withPodsLock(lockFile, () => Promise.reject(new Error("no plugin")));
    await expect(failing).rejects.toThrow("no plugin");
    expect(await withPodsLock(lockFile, () => Promise.resolve(7), 0)).toBe(7);
    expect(countDescriptors()).toBe(descriptors);
  });

  it("names who holds it too long, and does nothing then", async () => {
    const descriptors = countDescriptors();
    await withPodsLock(lockFile, async () => {
      const refused = withPodsLock(lockFile, () => expect.unreachable("two at once"), 50);
      await expect(refused).rejects.toMatchObject({
        code: "ERR_POD_FAILED",
        message: `Cannot lock ${lockFile}: process ${process.pid}, which makes or removes a pod, holds it for more than 0.05 s; try again when it has ended`,
      });
    });
    expect(countDescriptors()).toBe(descriptors);
  });

  it("waits for another process, and has the lock as soon as that is killed", async () => {
    const holder = spawn(process.execPath, [HOLDER, directory], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = endOf(holder);
    try {
      await printed(holder, "locked\n");
      const waiting = withPodsLock(lockFile, () => Promise.resolve(readFileSync(lockFile, "utf8")));
      await expect(withPodsLock(lockFile, () => Promise.resolve(), 0)).rejects.toThrow(
        `process ${holder.pid ?? 0},`,
      );
      holder.kill("SIGKILL");
      expect(await waiting).toBe(`${process.pid}\n`);
    } finally {
      holder.kill("SIGKILL");
      await ended;
    }
  });

  it("says where no lock file can be made", async () => {
    const inTheWay = join(HOLDER, "pods.lock");
    await expect(withPodsLock(inTheWay, () => Promise.resolve())).rejects.toMatchObject({
      code: "ERR_FILE_FAILED",
      message: expect.stringContaining(`Cannot lock ${inTheWay}: `) as string,
    });
    expect(existsSync(inTheWay)).toBe(false);
  });
});
