import { describe, expect, it } from "vitest";
import { assertPrivileges, hasNetAdmin } from "../../../../src/agent/start/start-privileges.ts";
import type { Privileges } from "../../../../src/agent/start/start-privileges.ts";

const UDP = { type: "udp", carriesPackets: true, engineName: "native" } as const;
const HOST_GW = { type: "host-gw", carriesPackets: true, engineName: null } as const;
const ALLOC = { type: "alloc", carriesPackets: false, engineName: null } as const;
const ALL: Privileges = { hasNetAdmin: true, tunProblem: null };
const NO_TUN: Privileges = { hasNetAdmin: true, tunProblem: "ENOENT" };
const NONE: Privileges = { hasNetAdmin: false, tunProblem: "EACCES" };

describe("hasNetAdmin", () => {
  it.each([
    ["CapEff:\t0000000000001000\n", true],
    ["CapInh:\t0000000000001000\nCapEff:\t000001ffffffefff\n", false],
    ["CapEff:\t000001ffffffffff\nCapBnd:\t0000000000000000\n", true],
    ["", false],
  ])("of %j is %s", (status, has) => expect(hasNetAdmin(status)).toBe(has));
});

describe("assertPrivileges", () => {
  it.each([
    [UDP, ALL, null],
    [UDP, NO_TUN, "ERR_TUN_DENIED"],
    [UDP, NONE, "ERR_TUN_DENIED"],
    [HOST_GW, NO_TUN, null],
    [HOST_GW, NONE, "ERR_KERNEL_FAILED"],
    [ALLOC, NONE, null],
  ])("of %j with %j ends in %s", (backend, privileges, code) => {
    const check = (): void => assertPrivileges(backend, privileges);
    if (code === null) expect(check).not.toThrow();
    else expect(check).toThrow(expect.objectContaining({ code }));
  });
});
