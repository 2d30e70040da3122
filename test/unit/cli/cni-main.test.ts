/** The executable `twill-cni`, as a runtime finds it: a link in a directory of plugins. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { endOf } from "../../support/child-output.ts";
import { readImports } from "../../support/module-imports.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const MORE_THAN_A_SOCKET_HOLDS = 4 * 1024 * 1024; // bytes; net.core.wmem_default is 208 KiB

let plugins: string;
beforeEach(() => {
  plugins = mkdtempSync(join(tmpdir(), "twill-cni-main-"));
  symlinkSync(join(ROOT, "bin/twill-cni"), join(plugins, "twill-cni"));
});
afterEach(() => rmSync(plugins, { recursive: true }));

/** Every module that a start loads, by path for ours and by name for others. */
function loadedBy(path: string, known = new Set<string>()): Set<string> {
  for (const { specifier, isTypeOnly } of readImports(path, readFileSync(path, "utf8"))) {
    const module = specifier.startsWith(".") ? resolve(dirname(path), specifier) : specifier;
    if (isTypeOnly || known.has(module)) continue;
    known.add(module);
    if (module.startsWith("/")) loadedBy(module, known);
  }
  return known;
}

describe("twill-cni", () => {
  it("answers through a link, whatever else the environment lacks", () => {
    const { stdout, stderr, status } = spawnSync(join(plugins, "twill-cni"), [], {
      env: { CNI_COMMAND: "VERSION" },
      encoding: "utf8",
    });
    expect(JSON.parse(stdout)).toMatchObject({ supportedVersions: ["0.3.0", "0.3.1", "0.4.0", "1.0.0"] });
    expect([stderr, status]).toEqual(["", 0]);
  });

  it("reads standard input, prints its errors on standard output, and fails", () => {
    const env = {
      CNI_COMMAND: "ADD",
      CNI_CONTAINERID: "c1",
      CNI_NETNS: "/x",
      CNI_IFNAME: "eth0",
      CNI_PATH: plugins,
    };
    const input = JSON.stringify({ cniVersion: "0.4.0", name: "n", subnetFile: join(plugins, "subnet.env") });
    const { stdout, stderr, status } = spawnSync(join(plugins, "twill-cni"), [], {
      env,
      input,
      encoding: "utf8",
    });
    expect(JSON.parse(stdout)).toMatchObject({ cniVersion: "0.4.0", code: 11 });
    expect([stderr, status]).toEqual(["", 1]);
  });

  it("waits for a runtime that writes slowly, on a descriptor that does not block", async () => {
    const env = { CNI_COMMAND: "ADD", CNI_CONTAINERID: "c1", CNI_IFNAME: "eth0", CNI_PATH: plugins };
    const child = spawn(join(plugins, "twill-cni"), [], {
      env: { ...env, CNI_NETNS: "/x" },
      stdio: ["pipe", "pipe", "inherit"], // Node.js makes sockets of these, which do not block
    });
    const ended = endOf(child);
    child.stdin.on("error", () => undefined); // it gave up: what it printed tells
    // More than a socket holds: when all of it is on its way, the plugin has begun to read, and there is no more.
    await new Promise((resolve) => child.stdin.write(" ".repeat(MORE_THAN_A_SOCKET_HOLDS), resolve));
    child.stdin.end(
      JSON.stringify({ cniVersion: "0.4.0", name: "n", subnetFile: join(plugins, "subnet.env") }),
    );
    expect(JSON.parse(await text(child.stdout))).toMatchObject({ cniVersion: "0.4.0", code: 11 });
    expect(await ended).toBe(1);
  });

  it("ends without a stack when nobody reads what it prints", async () => {
    const env = { CNI_COMMAND: "VERSION" };
    const child = spawn(join(plugins, "twill-cni"), [], { env, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    let complaint = "";
    child.stderr.setEncoding("utf8").on("data", (part: string) => (complaint += part));
    expect(await endOf(child)).toBe(1);
    expect(complaint).toBe("twill-cni: Cannot print the result: EPIPE: broken pipe, write\n");
  });

  it("loads a handful of modules and no library: a container waits for each start", () => {
    const loaded = [...loadedBy(join(ROOT, "src/cli/cni-main.mjs"))];
    expect(loaded.filter((module) => !module.startsWith("/") && !module.startsWith("node:"))).toEqual([]);
    expect(loaded.filter((module) => module.startsWith("/")).length).toBeLessThan(25);
    expect(loaded).toContain(join(ROOT, "src/cni/plan-delegate.ts"));
  });
});
