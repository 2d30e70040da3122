import { spawn } from "node:child_process";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  isInterfaceThere,
  isNamespaceThere,
  isOtherNamespace,
  namespaceAt,
  parseInterfaceNames,
} from "../../../src/cni/container-namespace.ts";
import { endOf } from "../../support/child-output.ts";

/** The kernel has it from the start, and this process is in there. */
const OWN = "/proc/self/ns/net";

describe("namespaceAt", () => {
  it("knows a namespace by whatever path leads to it, and another from it", () => {
    const { id } = namespaceAt(OWN);
    expect(id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12} [0-9]+:[0-9]+$/);
    expect(namespaceAt(`/proc/${process.pid}/ns/net`)).toEqual({ path: `/proc/${process.pid}/ns/net`, id });
    expect(namespaceAt("/proc/self/ns/mnt").id).not.toBe(id);
  });

  it.each(["/proc/0/ns/net", "", "/dev/null/net", "/dev/null"])("finds no namespace at %j", (path) =>
    expect(namespaceAt(path)).toEqual({ path, id: null }),
  );
});

describe("isNamespaceThere", () => {
  it("is about the namespace that was there, not about the path", () => {
    const { path, id } = namespaceAt(OWN);
    const other = namespaceAt("/proc/self/ns/mnt");
    expect(isNamespaceThere({ path, id })).toBe(true);
    expect(isNamespaceThere({ path: other.path, id })).toBe(false);
    expect(isNamespaceThere({ path: "/proc/0/ns/net", id })).toBe(false);
    expect(isNamespaceThere({ path: "/proc/0/ns/net", id: null })).toBe(false);
  });
});

describe("isOtherNamespace", () => {
  it("is sure of it: both are known, and differ", () => {
    const own = namespaceAt(OWN);
    expect(isOtherNamespace("/proc/self/ns/mnt", own)).toBe(true);
    expect(isOtherNamespace(`/proc/${process.pid}/ns/net`, own)).toBe(false);
    for (const path of ["", "/proc/0/ns/net", "/dev/null"]) expect(isOtherNamespace(path, own)).toBe(false);
    expect(isOtherNamespace(OWN, { path: "", id: null })).toBe(false);
  });
});

describe("isInterfaceThere", () => {
  afterEach(() => void vi.unstubAllEnvs());

  it("finds what is there", async () => expect(await isInterfaceThere(namespaceAt(OWN), "lo")).toBe(true));

  it("says yes where nobody can look inside", async () => {
    vi.stubEnv("PATH", "/no/such/directory");
    expect(await isInterfaceThere(namespaceAt(OWN), "none")).toBe(true);
  });

  it("says no after a reboot, for another namespace at the path, and for none", async () => {
    const { path, id } = namespaceAt(OWN);
    const afterReboot = `00000000${id?.slice(8) ?? ""}`;
    expect(await isInterfaceThere({ path, id: afterReboot }, "lo")).toBe(false);
    expect(await isInterfaceThere({ path, id: namespaceAt("/proc/self/ns/mnt").id }, "lo")).toBe(false);
    expect(await isInterfaceThere(namespaceAt("/proc/0/ns/net"), "lo")).toBe(false);
  });

  it("says no when the process is gone that the path names", async () => {
    const child = spawn("cat", { stdio: ["pipe", "ignore", "ignore"] });
    const namespace = namespaceAt(`/proc/${child.pid ?? 0}/ns/net`);
    const ended = endOf(child);
    child.stdin.end();
    await ended;
    expect(namespace.id).toBe(namespaceAt(OWN).id);
    expect(await isInterfaceThere(namespace, "lo")).toBe(false);
  });
});

describe("parseInterfaceNames", () => {
  it("gives the names of /proc/net/dev", () => {
    const titles =
      "Inter-|   Receive                            |  Transmit\n face |bytes    packets errs|bytes    packets\n";
    const lines = "    lo: 1296 16 0 0 1296 16 0 0\n  eth0:12345678 9 0 0 0 0\ncali-12.ab_c@1: 0 0 0 0\n";
    expect(parseInterfaceNames(titles + lines)).toEqual(["lo", "eth0", "cali-12.ab_c@1"]);
    expect(parseInterfaceNames(titles)).toEqual([]);
  });
});
