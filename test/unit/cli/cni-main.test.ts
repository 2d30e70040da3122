/** The executable `twill-cni`, as a runtime finds it: a link in a directory of plugins. */
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CNI_CODE } from "../../../src/cni/cni-error.ts";
import { NEWEST_VERSION, SUPPORTED_VERSIONS } from "../../../src/cni/spec-version.ts";
import { endOf } from "../../support/child-output.ts";
import { readImports } from "../../support/module-imports.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
/** Debian's /bin/sh, Red Hat's, and that of small systems. */
const SHELLS = ["/bin/dash", "/bin/bash", "/bin/busybox"];
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
    expect(loaded.filter((module) => module.startsWith("/")).length).toBeLessThan(30);
    expect(loaded).toContain(join(ROOT, "src/cni/plan-delegate.ts"));
  });
});

/** Files that the kernel does not run as a program. */
interface Damage {
  readonly name: string;
  readonly bytes: Buffer | string;
  /** Shells that run it before we can say anything. */
  readonly runsAsScript?: readonly string[];
}

const ELF_OF_NO_MACHINE = Buffer.concat([
  readFileSync(process.execPath).subarray(0, 18),
  Buffer.alloc(1_000, 0xff),
]);

const DAMAGES: readonly Damage[] = [
  { name: "no interpreter", bytes: "#!/no/such/interpreter\n" },
  { name: "an empty file", bytes: "" },
  { name: "zeros", bytes: Buffer.alloc(100_000) },
  { name: "a page of text", bytes: "exit 0\n", runsAsScript: ["/bin/dash"] },
  { name: "for another machine", bytes: ELF_OF_NO_MACHINE, runsAsScript: ["/bin/busybox"] },
];

describe("twill-cni, as it starts,", () => {
  const FIRST_FILES = ["bin/twill-cni", "scripts/node-path.sh", "src/cli/cni-main.mjs"];
  const TOOLS = ["dirname", "readlink", "uname"];

  /** A checkout with these files alone. */
  function checkout(...paths: string[]): string {
    const root = join(plugins, "twill");
    for (const path of paths) cpSync(join(ROOT, path), join(root, path));
    return root;
  }

  /** A directory for PATH with what a shell script needs, and this program as `node`, or none. */
  function binaries(node: string | null): string {
    const directory = join(plugins, "tools");
    mkdirSync(directory);
    for (const tool of TOOLS) symlinkSync(join("/bin", tool), join(directory, tool));
    if (node !== null) symlinkSync(node, join(directory, "node"));
    return directory;
  }

  interface End {
    readonly error: unknown;
    readonly status: number | null;
  }

  function start(root: string, PATH: string, shell = "/bin/sh"): End & { readonly stderr: string } {
    const env = { PATH, CNI_COMMAND: "VERSION" };
    const run = spawnSync(shell, [join(root, "bin/twill-cni")], { env, encoding: "utf8" });
    return { error: JSON.parse(run.stdout) as unknown, status: run.status, stderr: run.stderr };
  }

  function failure(msg: unknown): End {
    return { error: { cniVersion: NEWEST_VERSION, code: CNI_CODE.failed, msg }, status: 1 };
  }

  it("tells the runtime that there is no Node.js", () => {
    const end = start(checkout(...FIRST_FILES), binaries(null));
    const advice = "run scripts/setup of twill, which fetches one";
    expect(end).toMatchObject(failure(`Cannot run twill-cni: there is no Node.js 22.22 or newer; ${advice}`));
    expect(end.stderr).toContain("twill: needs Node.js 22.22 or newer");
  });

  it("tells the runtime that its Node.js is too old", () => {
    const old = join(plugins, "old-node");
    writeFileSync(old, "#!/bin/sh\necho v20.19.0\n");
    chmodSync(old, 0o755);
    expect(start(checkout(...FIRST_FILES), binaries(old))).toMatchObject(
      failure(expect.stringContaining("there is no Node.js 22.22 or newer")),
    );
  });

  describe.each(SHELLS)("where sh is %s", (shell) => {
    /** As /bin/sh, which makes bash keep to POSIX and tells busybox what it is to be. */
    function sh(): string {
      symlinkSync(shell, join(plugins, "sh"));
      return join(plugins, "sh");
    }

    /** A checkout whose Node.js is this file. */
    function checkoutWithNode(node: Buffer | string): string {
      const root = checkout(...FIRST_FILES);
      const toolchain = join(root, `toolchain/node_modules/node-linux-${process.arch}/bin`);
      mkdirSync(toolchain, { recursive: true });
      writeFileSync(join(toolchain, "node"), node, { mode: 0o755 });
      return root;
    }

    const damages = DAMAGES.filter(({ runsAsScript }) => !runsAsScript?.includes(shell));
    it.each(damages)("tells the runtime that Node.js does not start: $name", ({ bytes }) => {
      expect(start(checkoutWithNode(bytes), binaries(null), sh())).toMatchObject(
        failure(expect.stringContaining("its Node.js does not start")),
      );
    });

    it("starts Node.js", () => {
      const { error: answer, ...end } = start(ROOT, binaries(process.execPath), sh());
      expect(answer).toMatchObject({ cniVersion: NEWEST_VERSION, supportedVersions: SUPPORTED_VERSIONS });
      expect(end).toEqual({ status: 0, stderr: "" });
    });

    it("becomes Node.js, which may be a script, and leaves it all of standard input", () => {
      const root = checkoutWithNode('#!/bin/sh\nread -r a; read -r b; echo "$$ $a $b"\n');
      const { pid, stdout, stderr } = spawnSync(sh(), [join(root, "bin/twill-cni")], {
        env: { PATH: binaries(null) },
        encoding: "utf8",
        input: "first\nsecond\n",
      });
      expect([stdout, stderr]).toEqual([`${pid} first second\n`, ""]);
    });
  });

  it.each([1, 2])("tells the runtime that its directory is not whole, with %i file", (count) => {
    expect(start(checkout(...FIRST_FILES.slice(0, count)), binaries(process.execPath))).toMatchObject(
      failure("Cannot run twill-cni: its directory is not whole: put it back as it was"),
    );
  });

  it.each([
    ["the program", ["src/cli/compile-cache.mjs"], "src/cni/run-plugin.ts"],
    ["the compile cache", [], "src/cli/compile-cache.mjs"],
  ])("tells the runtime that %s does not load", (_, files, missing) => {
    const root = checkout(...FIRST_FILES, ...files);
    const end = start(root, binaries(process.execPath));
    expect(end).toMatchObject(failure(expect.stringContaining(`Cannot find module '${root}/${missing}'`)));
    expect(end.stderr).toBe("");
  });

  it("tells the runtime that the program is no program", () => {
    const root = checkout(...FIRST_FILES, "src/cli/compile-cache.mjs");
    mkdirSync(join(root, "src/cni"));
    writeFileSync(join(root, "src/cni/run-plugin.ts"), "export const = ;\n");
    const end = start(root, binaries(process.execPath));
    expect(end).toMatchObject(
      failure(expect.stringMatching(/its program does not load: .+; put twill's directory/)),
    );
    expect(end.stderr).toBe("");
  });
});
