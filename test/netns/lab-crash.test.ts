import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLab } from "../../src/lab/create-lab.ts";
import { openLab } from "../../src/lab/lab.ts";
import { TOKEN_VARIABLE } from "../../src/lab/record/lab-record.ts";
import { readLabRecord } from "../../src/lab/record/record-file.ts";
import type { LabOwner } from "../../src/lab/record/lab-record.ts";
import { identifyProcess, isRunning, processesWithVariable } from "../../src/files/process-identity.ts";
import { runChecked, runCommand } from "../../src/lab/machine/run-command.ts";
import { endOf, printed } from "../support/child-output.ts";
import { makeLabFolder, namespacesOf, ownName, removeLabFolder } from "../support/lab-folder.ts";

const MAKER = fileURLToPath(new URL("../support/lab-maker.ts", import.meta.url));
const TWILL = fileURLToPath(new URL("../../bin/twill", import.meta.url));

let stateDirectory: string;
beforeAll(() => (stateDirectory = makeLabFolder()));
afterAll(async () => await removeLabFolder(stateDirectory));

/** Has another process make a lab and kills it at this moment. */
async function killMaker(owner: LabOwner, name: string, moment: string): Promise<void> {
  const maker = spawn(process.execPath, [MAKER, stateDirectory, owner, name, moment], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = endOf(maker);
  await printed(maker, "here");
  maker.kill("SIGKILL");
  expect(await ended).toBe("SIGKILL");
}

describe("a lab whose maker was killed", () => {
  it.each([
    ["test", "hosts on the underlay bridge"],
    ["test", "etcd answers"],
    ["test", "up"],
    ["user", "hosts on the underlay bridge"],
  ] as const)("is swept by the next one of its kind (a %s's, killed at: %s)", async (owner, moment) => {
    const name = ownName("crashed");
    await killMaker(owner, name, moment);
    const record = await readLabRecord(join(stateDirectory, name));
    const mark = `${TOKEN_VARIABLE}=${record?.token ?? "none"}`;
    expect(namespacesOf(name)).toHaveLength(3);
    const status = await runCommand([TWILL, "lab", "status", "--name", name, "--state-dir", stateDirectory]);
    expect(status.code).toBe(1);
    expect(status.stdout.includes("Not finished: its lab up (pid ")).toBe(moment !== "up");

    const other = ownName("other");
    const othersHost = `twl-${other}-h1`;
    await runChecked(["ip", "netns", "add", othersHost]);
    const stranger = spawn("ip", ["netns", "exec", othersHost, "sleep", "60"], { stdio: "ignore" });
    const strangerIdentity = identifyProcess(stranger.pid ?? 0);
    try {
      await using next = await createLab({
        stateDirectory,
        owner,
        name: ownName("next"),
        hosts: 1,
        etcd: false,
      });
      expect(namespacesOf(name)).toEqual([]);
      expect(existsSync(join(stateDirectory, name))).toBe(false);
      expect(processesWithVariable(mark).filter(isRunning)).toEqual([]);
      expect(namespacesOf(next.name)).toHaveLength(2);

      expect(namespacesOf(other)).toEqual([othersHost]);
      expect(strangerIdentity !== null && isRunning(strangerIdentity)).toBe(true);
    } finally {
      stranger.kill("SIGKILL");
      await endOf(stranger);
      await runChecked(["ip", "netns", "del", othersHost]);
    }
  });

  it("stays when it is a user's and complete, and is taken down by its name", async () => {
    const name = ownName("kept");
    await killMaker("user", name, "up");
    {
      await using _next = await createLab({
        stateDirectory,
        owner: "user",
        name: ownName("next"),
        hosts: 1,
        etcd: false,
      });
      expect(namespacesOf(name)).toHaveLength(3);
    }
    const lab = await openLab(name, stateDirectory);
    expect(await lab?.host(0).ping("192.0.2.2")).toMatchObject({ received: 3 });
    const etcd = lab?.etcd.process;
    expect(etcd?.isRunning).toBe(true);
    await lab?.down();
    expect(namespacesOf(name)).toEqual([]);
    expect(etcd?.isRunning).toBe(false);
    expect(await openLab(name, stateDirectory)).toBeNull();
  });
});
