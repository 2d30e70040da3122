/**
 * The image of the tests' containers, made without a registry: Debian's static busybox, a link for each of its commands,
 * and a web server as what runs when nothing else is asked for.
 */
import { existsSync } from "node:fs";
import { copyFile, mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { PROGRAM_DIRECTORIES, runChecked } from "../../../src/lab/machine/run-command.ts";
import { OverlayError } from "../../../src/net/overlay-error.ts";

/** Name of the image in every engine. */
export const BUSYBOX_IMAGE = "twill-test/busybox:latest";
/** Port of the containers' web server. */
export const WEB_PORT = 8080;
/** What it serves. */
export const WEB_DIRECTORY = "/srv";

/** In the foreground, with a line for each request that says who asked. */
const SERVE = ["sh", "-c", `exec httpd -f -v -p 0.0.0.0:${WEB_PORT} -h ${WEB_DIRECTORY} 2>&1`];

/** What dockerd is to note about the image (`docker import --change`). */
export const BUSYBOX_CHANGES = [`CMD ${JSON.stringify(SERVE)}`, "ENV PATH=/bin"];

/** Makes the image's files below `directory` and packs them; resolves with the archive's path. */
export async function packBusybox(directory: string): Promise<string> {
  const root = join(directory, "busybox");
  for (const name of ["bin", "tmp", "etc", WEB_DIRECTORY]) await mkdir(join(root, name), { recursive: true });
  const busybox = findBusybox();
  await copyFile(busybox, join(root, "bin/busybox"));
  for (const command of (await runChecked([busybox, "--list"])).split("\n")) {
    if (command !== "" && command !== "busybox") await symlink("busybox", join(root, "bin", command));
  }
  const archive = join(directory, "busybox.tar");
  await runChecked(["tar", "--create", "--file", archive, "--directory", root, "."]);
  return archive;
}

function findBusybox(): string {
  const found = PROGRAM_DIRECTORIES.map((directory) => join(directory, "busybox")).find(existsSync);
  if (found !== undefined) return found;
  throw new OverlayError(
    "ERR_LAB_FAILED",
    "Cannot make an image: busybox is missing (on Debian: apt-get install busybox-static)",
  );
}
