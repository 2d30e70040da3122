import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createIpCommand, isMissingDevice } from "../../../src/kernel/ip-command.ts";
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

  it("tells that the device is missing, and which", async () => {
    const err = await failureOf(createIpCommand().read(["link", "show", "dev", "twill-none"], NO_ABORT));
    expect([isMissingDevice(err, "twill-none"), isMissingDevice(err, "eth0")]).toEqual([true, false]);
    const other = await failureOf(createIpCommand().read(["neigh", "show", "dev", "twill-none-1"], NO_ABORT));
    expect(isMissingDevice(other, "twill-none-1")).toBe(true);
    const usage = await failureOf(createIpCommand().read(["link", "show", "twill", "none"], NO_ABORT));
    expect(isMissingDevice(usage, "twill")).toBe(false);
  });

  it("reads a batch from the real ip, leaving out what failed", async () => {
    const show = (name: string): string[] => ["link", "show", "dev", name];
    const answers = await createIpCommand().readBatch(
      [show("lo"), show("twill-none"), ["route", "get", "127.0.0.1"]],
      NO_ABORT,
    );
    expect(answers).toMatchObject([[{ ifname: "lo" }], [{ dst: "127.0.0.1", dev: "lo" }]]);
    expect(await createIpCommand().readBatch([show("twill-none")], NO_ABORT)).toEqual([]);
  });

  it("rejects a batch that ip itself gave up", async () => {
    const err = await failureOf(createIpCommand().readBatch([["route", "get", "nowhere"]], NO_ABORT));
    expect(err.message).toMatch(/^Cannot read the network configuration: ip -j -batch: Error: .*"nowhere"/);
  });

  it("rejects a batch with a document that was cut off", async () => {
    await withProgram(`printf '[{"dst":"192.0.2.1"}]\\n[{"dst":\\n'`, async (program) => {
      const err = await failureOf(
        createIpCommand({ program, deadlineMs: 5_000 }).readBatch([["route", "get", "192.0.2.1"]], NO_ABORT),
      );
      expect(err.message).toContain("Cannot read the output of ip -j -batch: it is not JSON");
    });
  });

  it("reads an alias with control characters, which ip prints as they are", async () => {
    await withProgram(`printf '[{"ifalias":"a\\001b"}]\\n'`, async (program) => {
      const ip = createIpCommand({ program, deadlineMs: 5_000 });
      expect(await ip.read(["link"], NO_ABORT)).toEqual([{ ifalias: "a b" }]);
      expect(await ip.readBatch([["link"]], NO_ABORT)).toEqual([[{ ifalias: "a b" }]]);
    });
  });

  it("starts no process for an empty batch", async () => {
    const ip = createIpCommand({ program: "/nowhere/ip", deadlineMs: 1_000 });
    await ip.apply([], NO_ABORT);
    expect(await ip.readBatch([], NO_ABORT)).toEqual([]);
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
