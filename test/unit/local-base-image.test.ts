/** scripts/local-base-image with small programs in the place of Docker, debootstrap and npm: what it says where one is missing. */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ScriptBench } from "../support/script-bench.ts";

const SCRIPT = resolve(import.meta.dirname, "../../scripts/local-base-image");
/** Of the machine, which the script needs in any case. */
const TOOLS =
  "bash sh cat cp dirname find head mkdir mktemp readlink rm sed sort tail tar timeout tr uname".split(" ");
const MADE = "export TWILL_BASE=twill-local/node:24-bookworm TWILL_ETCD_IMAGE=twill-local/etcd:bookworm\n";

let bench: ScriptBench;
let directory: string;
beforeEach(async () => {
  bench = await ScriptBench.create(TOOLS);
  directory = bench.directory;
  for (const name of ["work", "modules", "modules/npm"]) await mkdir(join(directory, name));
  // An engine that answers and has no images; it takes what it is given.
  await bench.program("docker", 'case "$1" in image) exit 1 ;; import) cat >/dev/null ;; esac');
  await bench.program("id", "echo 0");
  await bench.program("unshare", 'shift && exec "$@"');
  const parts = "etc/dpkg/dpkg.cfg.d etc/apt/apt.conf.d usr/share/doc";
  await bench.program("debootstrap", `for part in ${parts}; do mkdir -p "$3/$part"; done`);
  await bench.program("apt-get", "echo http://192.0.2.1/debian");
  await bench.program("npm", `case "$1" in root) echo "${directory}/modules" ;; *) echo null ;; esac`);
});
afterEach(() => bench[Symbol.asyncDispose]());

/** Runs it; what it worked in is gone then. Resolves with its standard output, or its status and last sentence. */
async function run(env: Readonly<Record<string, string>> = { TMPDIR: join(directory, "work") }) {
  const { code, stdout, stderr } = await bench.run(SCRIPT, [], env);
  expect(await readdir(join(directory, "work"))).toEqual([]);
  return code === "0" ? stdout : `${code}: ${stderr.trim().split("\n").at(-1) ?? ""}`;
}

describe("scripts/local-base-image", () => {
  it("makes the images in a directory of TMPDIR, of the packages that the machine has them from", async () => {
    expect(await run()).toBe(MADE);
    const rootfs = expect.stringMatching(
      new RegExp(
        `^debootstrap --variant=minbase bookworm ${directory}/work/twill-base\\.\\w+/rootfs http://192\\.0\\.2\\.1/debian$`,
      ),
    ) as string;
    expect(await bench.calls("debootstrap")).toEqual([rootfs, rootfs]); // for each image: this engine keeps none
    expect(await bench.calls("unshare")).toHaveLength(2);
  });

  it("works in /var/tmp unless told otherwise: debootstrap can use no /tmp with nodev", async () => {
    expect(await run({})).toBe(MADE);
    expect((await bench.calls("debootstrap"))[0]).toMatch(/ bookworm \/var\/tmp\/twill-base\.\w+\/rootfs /);
  });

  it("leaves the choice of packages to debootstrap without apt-get", async () => {
    await bench.without("apt-get");
    expect(await run()).toBe(MADE);
    expect((await bench.calls("debootstrap"))[0]).toMatch(/\/rootfs$/);
    await bench.program("apt-get", "exit 100");
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
    await bench.without(name);
    expect(await run()).toBe(`1: local-base-image: ${sentence}`);
  });

  it("says so where it is not root", async () => {
    await bench.program("id", "echo 1000");
    expect(await run()).toBe(
      "1: local-base-image: Cannot make twill-local/debian:bookworm: debootstrap needs root, run this as root",
    );
  });

  it("says so where npm is not in one place", async () => {
    await rm(join(directory, "modules/npm"), { recursive: true });
    expect(await run()).toContain(`npm is not in ${directory}/modules/npm (Debian's is in many places), put`);
  });

  it("repeats what Docker and debootstrap say of their failures", async () => {
    await bench.program("debootstrap", 'mkdir "$3" && echo "E: mounted with noexec or nodev" && exit 1');
    expect(await run()).toMatch(
      /^1: local-base-image: Cannot make twill-local\/debian:bookworm in \S+\/work\/twill-base\.\w+ \(TMPDIR names another place\): E: mounted/,
    );
    await bench.program("docker", 'echo "Cannot connect to the Docker daemon" >&2 && exit 1');
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
    await bench.program("docker", "");
    await bench.without("debootstrap");
    expect(await run()).toBe(MADE);
  });
});
