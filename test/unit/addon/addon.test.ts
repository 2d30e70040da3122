import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EBADFD, errnoName, loadAddon, loadAddonFrom } from "../../../src/addon/addon.ts";
import type { NativeAddon } from "../../../src/addon/addon.ts";

const EINVAL = -22;

describe("loadAddonFrom", () => {
  it("says how to get an addon that is not there", () => {
    expect(() => loadAddonFrom("/nonexistent/twill_tun.node")).toThrow(
      expect.objectContaining({
        code: "ERR_ADDON_MISSING",
        message: "Cannot load the addon: /nonexistent/twill_tun.node is missing; run scripts/setup",
      }),
    );
  });

  it("says how to replace one that does not load, and keeps the loader's reason", () => {
    const directory = mkdtempSync(join(tmpdir(), "twill-addon-"));
    const path = join(directory, "twill_tun.node");
    writeFileSync(path, "not an ELF file");
    try {
      expect(() => loadAddonFrom(path)).toThrow(
        expect.objectContaining({
          code: "ERR_ADDON_MISSING",
          message: `Cannot load the addon: ${path} does not fit this Node.js or C library; run scripts/build-native`,
          cause: expect.objectContaining({ code: "ERR_DLOPEN_FAILED" }) as unknown,
        }),
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe("errnoName", () => {
  it("knows libuv's names and the one that libuv lacks", () => {
    expect([-16, -11, -EBADFD].map(errnoName)).toEqual(["EBUSY", "EAGAIN", "EBADFD"]);
  });
});

describe("NativeAddon", () => {
  /** Without its types, which forbid what a mistake elsewhere may still pass. */
  const addon = loadAddon() as unknown as Record<keyof NativeAddon, (...args: unknown[]) => unknown>;
  const fd = -1; // an argument that passed the checks would be answered with EBADF, not EINVAL
  const bytes = new Uint8Array(8);
  const two = new Int32Array(2);

  it.each<[string, keyof NativeAddon, unknown[]]>([
    ["an offset past the buffer", "packetRead", [fd, bytes, 9, 0]],
    ["a length past the buffer", "packetRead", [fd, bytes, 1, 8]],
    ["a negative offset", "packetRead", [fd, bytes, -1, 4]],
    ["a negative length", "packetWrite", [fd, bytes, 0, -1]],
    ["a range that wraps around 32 bits", "packetWrite", [fd, bytes, 0x7fffffff, 0x7fffffff]],
    ["an array of another type", "packetWrite", [fd, two, 0, 2]],
    ["no array", "packetRead", [fd, null, 0, 0]],
    ["no arguments", "packetRead", []],
    ["room for one descriptor", "packetPair", [new Int32Array(1)]],
    ["a port above 65535", "udpSocketOpen", [0x7f000001, 65536, 0, 0]],
    ["an address as text", "udpSocketOpen", ["127.0.0.1", 0, 0, 0]],
    ["a name with a NUL", "tunOpen", ["tun\0x", false, two]],
    ["a name of 256 bytes", "tunOpen", ["x".repeat(256), false, two]],
    ["a wish as number", "tunOpen", ["tw0", 1, two]],
    ["room for no queue", "tunOpen", ["tw0", false, new Int32Array(0)]],
    ["queues as bytes", "tunOpen", ["tw0", false, bytes]],
    ["a flag as number", "tunSetPersistent", [fd, 1]],
    ["a path of 256 bytes", "sendUnixDatagram", ["x".repeat(256), ""]],
    ["a message of 4096 bytes", "sendUnixDatagram", ["x", "x".repeat(4096)]],
    ["a callback that is none", "watchOpen", [0, "onReadable"]],
    ["a watch that is none", "watchClose", [{}]],
    ["no watch", "watchClose", []],
    ["no program", "runStart", [new Uint8Array(0), bytes, 1, 1]],
    ["arguments without their end", "runStart", [Buffer.from("echo"), bytes, 1, 1]],
    ["arguments as text", "runStart", ["echo\0", bytes, 1, 1]],
    ["input as text", "runStart", [bytes, "input", 1, 1]],
    ["a deadline in the past", "runStart", [bytes, bytes, -1, 1]],
    ["a negative limit", "runStart", [bytes, bytes, 1, -1]],
    ["a run that is none", "runDoneFd", [{}]],
    ["a run that is none", "runStop", [1]],
    ["no run", "runTake", []],
    ["a descriptor that is none", "lockFile", ["0"]],
  ])("answers %s with EINVAL (%s)", (_what, name, args) => {
    expect(addon[name](...args)).toBe(EINVAL);
  });
});
