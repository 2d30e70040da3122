import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createIpCommand } from "../../../src/kernel/ip-command.ts";
import type { OverlayError } from "../../../src/net/overlay-error.ts";

const NO_ABORT = new AbortController().signal;

/** Runs `use` with a program of this shell text in the place of ip. */
async function withProgram(text: string, use: (program: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "twill-ip-"));
  try {
    const program = join(directory, "ip");
    await writeFile(program, `#!/bin/sh\n${text}\n`);
    await chmod(program, 0o755);
    await use(program);
  } finally {
    await rm(directory, { recursive: true });
  }
}

const failureOf = (promise: Promise<unknown>): Promise<OverlayError> =>
  promise.then(
    () => expect.unreachable("it must fail"),
    (err: unknown) => err as OverlayError,
  );

describe("createIpCommand", () => {
  it("reads the loopback device from the real ip", async () => {
    expect(await createIpCommand().read(["link", "show", "dev", "lo"], NO_ABORT)).toMatchObject([
      { ifindex: 1, ifname: "lo" },
    ]);
  });

  it("names the command of the real ip that failed, and tries the others", async () => {
    const err = await failureOf(
      createIpCommand().apply(
        [
          ["link", "show", "dev", "lo"],
          ["link", "set", "dev", "twill-none-1", "up"],
          ["link", "set", "dev", "twill-none-2", "up"],
        ],
        NO_ABORT,
      ),
    );
    expect(err.code).toBe("ERR_KERNEL_FAILED");
    expect(err.message).toBe(
      'Cannot change the network configuration: ip link set dev twill-none-1 up: Cannot find device "twill-none-1" (and 1 more failed)',
    );
  });

  it("reports the text of a read that failed", async () => {
    const err = await failureOf(createIpCommand().read(["link", "show", "dev", "twill-none"], NO_ABORT));
    expect(err.message).toBe(
      'Cannot read the network configuration: ip -j link show dev twill-none: Device "twill-none" does not exist.',
    );
  });

  it("starts no process for an empty batch", async () => {
    await createIpCommand({ program: "/nowhere/ip", deadlineMs: 1_000 }).apply([], NO_ABORT);
  });

  it("says what to install when there is no ip", async () => {
    const err = await failureOf(
      createIpCommand({ program: "/nowhere/ip", deadlineMs: 1_000 }).read([], NO_ABORT),
    );
    expect(err).toMatchObject({
      code: "ERR_KERNEL_FAILED",
      message: "Cannot run /nowhere/ip: not found in PATH, install iproute2",
    });
  });

  it("refuses output that is not JSON", async () => {
    await withProgram("echo 1: lo: LOOPBACK", async (program) => {
      const err = await failureOf(createIpCommand({ program, deadlineMs: 5_000 }).read(["link"], NO_ABORT));
      expect(err.message).toContain("it is not JSON, install iproute2");
    });
  });

  it("survives a program that does not read its input", async () => {
    await withProgram("exec 0<&-; echo 'Nobody listens' >&2; exit 3", async (program) => {
      const commands = Array.from({ length: 20_000 }, () => ["link", "set", "dev", "flannel0", "up"]);
      const err = await failureOf(createIpCommand({ program, deadlineMs: 5_000 }).apply(commands, NO_ABORT));
      expect(err.message).toBe("Cannot change the network configuration: ip -batch: Nobody listens");
    });
  });

  it("ends a program that does not end in time", async () => {
    await withProgram("exec sleep 60", async (program) => {
      const err = await failureOf(createIpCommand({ program, deadlineMs: 100 }).read(["link"], NO_ABORT));
      expect(err.message).toBe(`Cannot run ${program} -j link: no end after 100 ms`);
    });
  });

  it("rejects with the reason of its signal, before and while it runs", async () => {
    await withProgram("exec sleep 60", async (program) => {
      const reason = new Error("stop");
      const ip = createIpCommand({ program, deadlineMs: 60_000 });
      await expect(ip.read(["link"], AbortSignal.abort(reason))).rejects.toBe(reason);
      const controller = new AbortController();
      const reading = ip.read(["link"], controller.signal);
      controller.abort(reason);
      await expect(reading).rejects.toBe(reason);
    });
  });
});
