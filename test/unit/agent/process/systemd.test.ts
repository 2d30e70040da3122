import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemdNotifier } from "../../../../src/agent/process/systemd.ts";
import { buildCProgram } from "../../../support/build-c-program.ts";
import type { CProgram } from "../../../support/build-c-program.ts";
import { countDescriptors } from "../../../support/process-resources.ts";

let receiver: CProgram;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "twill-notify-"));
  receiver = await buildCProgram(join(import.meta.dirname, "../../../support/unix-datagram-receiver.c"), []);
});
afterAll(async () => {
  await receiver[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

/** Sends `states` to a receiver bound to `address`; gives the lines it printed. */
async function deliver(address: string, states: readonly string[]): Promise<string[]> {
  const child = spawn(receiver.path, [address], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => String((await lines.next()).value);
  try {
    expect(await nextLine()).toBe("bound");
    const notifier = systemdNotifier(address);
    for (const state of states) expect(notifier.notify(state)).toBeNull();
    const received: string[] = [];
    while (received.length < states.length) received.push(await nextLine());
    return received;
  } finally {
    child.kill();
    await once(child, "exit");
  }
}

describe("systemdNotifier", () => {
  it("sends each state to a socket in the file system", async () => {
    const states = ["READY=1", "WATCHDOG=1"];
    expect(await deliver(join(directory, "notify"), states)).toEqual(states);
  });

  it("sends to an abstract name", async () => {
    expect(await deliver(`@twill-test-${process.pid}`, ["STOPPING=1"])).toEqual(["STOPPING=1"]);
  });

  it("returns the failure when nobody listens, and leaves no descriptor", () => {
    const before = countDescriptors();
    const path = join(directory, "nobody");
    expect(systemdNotifier(path).notify("READY=1")).toMatchObject({
      code: "ERR_SOCKET_FAILED",
      message: `Cannot notify systemd at ${path}: ENOENT`,
    });
    expect(countDescriptors()).toBe(before);
  });

  it("returns the failure when the path is longer than a socket address", () => {
    expect(systemdNotifier(`/${"x".repeat(107)}`).notify("READY=1")?.fields.errno).toBe("EINVAL");
  });

  it("does nothing without a socket", () => {
    expect(systemdNotifier(null).notify("READY=1")).toBeNull();
  });
});
