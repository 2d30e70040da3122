import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readIpForwarding, warnWithoutIpForwarding } from "../../../../src/agent/start/ip-forwarding.ts";
import { recordLog } from "../../../support/log-lines.ts";

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "twill-forward-"));
  path = join(directory, "ip_forward");
});
afterEach(() => rm(directory, { recursive: true }));

describe("readIpForwarding", () => {
  it.each([
    ["1\n", true],
    ["0\n", false],
    ["", null],
  ])("reads %j as %j", async (text, isOn) => {
    await writeFile(path, text);
    expect(await readIpForwarding(path)).toBe(isOn);
  });

  it("does not know where there is nothing to read", async () =>
    expect(await readIpForwarding(path)).toBeNull());

  it("reads the kernel's own without being told where", async () =>
    expect(await readIpForwarding()).toBeTypeOf("boolean"));
});

describe("warnWithoutIpForwarding", () => {
  it("has one line with the sysctl to set when forwarding is off, and none otherwise", async () => {
    const { log, lines } = recordLog();
    await warnWithoutIpForwarding(log, path);
    await writeFile(path, "1\n");
    await warnWithoutIpForwarding(log, path);
    expect(lines).toEqual([]);
    await writeFile(path, "0\n");
    await warnWithoutIpForwarding(log, path);
    const msg = "IPv4 forwarding is off on this host, containers will not reach other hosts";
    expect(lines).toEqual([{ level: "warn", sysctl: "net.ipv4.ip_forward=1", msg }]);
  });
});
