/** scripts/local-base-image with small programs in the place of Docker, debootstrap and npm: what it says where one is missing. */
import { execFile } from "node:child_process";
import { access, chmod, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const SCRIPT = resolve(import.meta.dirname, "../../scripts/local-base-image");
/** Of the machine, which the script needs in any case. */
const TOOLS =
  "bash sh cat cp dirname find head mkdir mktemp readlink rm sed sort tail tar timeout tr uname".split(" ");
const MADE = "export TWILL_BASE=twill-local/node:24-bookworm TWILL_ETCD_IMAGE=twill-local/etcd:bookworm\n";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "twill-base-image-"));
  for (const name of ["bin", "work", "modules", "modules/npm"]) await mkdir(join(directory, name));
  for (const name of TOOLS) await symlink(await findTool(name), join(directory, "bin", name));
  await symlink(process.execPath, join(directory, "bin/node"));
  // An engine that answers and has no images; it takes what it is given.
  await program("docker", 'case "$1" in image) exit 1 ;; import) cat >/dev/null ;; esac');
  await program("id", "echo 0");
  await program("unshare", 'shift && exec "$@"');
  const parts = "etc/dpkg/dpkg.cfg.d etc/apt/apt.conf.d usr/share/doc";
  await program("debootstrap", `for part in ${parts}; do mkdir -p "$3/$part"; done`);
  await program("apt-get", "echo http://192.0.2.1/debian");
  await program("npm", `case "$1" in root) echo "${directory}/modules" ;; *) echo null ;; esac`);
});
afterEach(() => rm(directory, { recursive: true }));

async function findTool(name: string): Promise<string> {
  for (const place of [...(process.env.PATH ?? "").split(delimiter), "/usr/bin", "/bin"]) {
    const path = join(place, name);
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  throw new Error(`There is no ${name} on this machine`);
}

/** Makes a program of this name, which notes its arguments and does this. */
async function program(name: string, does: string): Promise<void> {
  const path = join(directory, "bin", name);
  await writeFile(path, `#!/bin/sh\necho "${name} $*" >>"${directory}/calls"\n${does}\n`);
  await chmod(path, 0o755);
}

async function without(name: string): Promise<void> {
  await rm(join(directory, "bin", name));
}

async function calls(name: string): Promise<string[]> {
  const lines = (await readFile(join(directory, "calls"), "utf8")).split("\n");
  return lines.filter((line) => line.startsWith(`${name} `));
}

/** Runs it; what it worked in is gone then. Resolves with its standard output, or its status and last sentence. */
async function run(env: Readonly<Record<string, string>> = { TMPDIR: join(directory, "work") }) {
  const PATH = join(directory, "bin");
  const told = await new Promise<string>((done) => {
    execFile(SCRIPT, { env: { PATH, ...env } }, (err, stdout, stderr) => {
      done(err === null ? stdout : `${err.code ?? "killed"}: ${stderr.trim().split("\n").at(-1) ?? ""}`);
    });
  });
  expect(await readdir(join(directory, "work"))).toEqual([]);
  return told;
}

describe("scripts/local-base-image", () => {
  it("makes the images in a directory of TMPDIR, of the packages that the machine has them from", async () => {
    expect(await run()).toBe(MADE);
    const rootfs = expect.stringMatching(
      new RegExp(
        `^debootstrap --variant=minbase bookworm ${directory}/work/twill-base\\.\\w+/rootfs http://192\\.0\\.2\\.1/debian$`,
      ),
    ) as string;
    expect(await calls("debootstrap")).toEqual([rootfs, rootfs]); // for each image: this engine keeps none
    expect(await calls("unshare")).toHaveLength(2);
  });

  it("works in /var/tmp unless told otherwise: debootstrap can use no /tmp with nodev", async () => {
    expect(await run({})).toBe(MADE);
    expect((await calls("debootstrap"))[0]).toMatch(/ bookworm \/var\/tmp\/twill-base\.\w+\/rootfs /);
  });

  it("leaves the choice of packages to debootstrap without apt-get", async () => {
    await without("apt-get");
    expect(await run()).toBe(MADE);
    expect((await calls("debootstrap"))[0]).toMatch(/\/rootfs$/);
    await program("apt-get", "exit 100");
    expect(await run()).toBe(MADE);
  });

  const MISSING: [name: string, sentence: string][] = [
    ["docker", "Cannot make images: docker is missing, apt-get install docker.io"],
    [
      "debootstrap",
      "Cannot make twill-local/debian:bookworm: debootstrap is missing, apt-get install debootstrap",
    ],
    [
      "npm",
      "Cannot make twill-local/node:24-bookworm: npm is missing, put the bin directory of a Node.js that brings npm in PATH",
    ],
  ];
  it.each(MISSING)("says so without %s", async (name, sentence) => {
    await without(name);
    expect(await run()).toBe(`1: local-base-image: ${sentence}`);
  });

  it("says so where it is not root", async () => {
    await program("id", "echo 1000");
    expect(await run()).toBe(
      "1: local-base-image: Cannot make twill-local/debian:bookworm: debootstrap needs root, run this as root",
    );
  });

  it("says so where npm is not in one place", async () => {
    await rm(join(directory, "modules/npm"), { recursive: true });
    expect(await run()).toContain(`npm is not in ${directory}/modules/npm (Debian's is in many places), put`);
  });

  it("repeats what Docker and debootstrap say of their failures", async () => {
    await program("debootstrap", 'mkdir "$3" && echo "E: mounted with noexec or nodev" && exit 1');
    expect(await run()).toMatch(
      /^1: local-base-image: Cannot make twill-local\/debian:bookworm in \S+\/work\/twill-base\.\w+ \(TMPDIR names another place\): E: mounted/,
    );
    await program("docker", 'echo "Cannot connect to the Docker daemon" >&2 && exit 1');
    expect(await run()).toBe(
      "1: local-base-image: Cannot make images: no Docker engine answers, start it or name one by DOCKER_HOST; " +
        "docker says: Cannot connect to the Docker daemon",
    );
  });

  it("says so where TMPDIR is no directory", async () => {
    expect(await run({ TMPDIR: join(directory, "none") })).toContain(
      "TMPDIR must name a directory to write to",
    );
  });

  it("makes nothing where both images are there", async () => {
    await program("docker", "");
    await without("debootstrap");
    expect(await run()).toBe(MADE);
  });
});
