/**
 * The node's identity: 128 random bits in `node-id` in the state directory. The lease belongs to it, so a
 * node keeps its subnet when its address changes.
 */
import { link, mkdir, readFile, rm } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { OverlayError } from "../../net/overlay-error.ts";
import { showUntrusted } from "../../net/untrusted-text.ts";
import { syncDirectory, writeNewFile } from "../../files/durable-file.ts";
import { fileError, hasErrorCode } from "../../files/file-error.ts";

const NODE_ID_BYTES = 16;
const NODE_ID_TEXT = /^[0-9a-f]{32}$/;
/** Names beside it that a crash may leave while it is made. */
export const NODE_ID_TEMPORARY = /^\.node-id\.[0-9a-f]{32}$/;
/** Peers and subnets are nobody's business on this host but root's. */
const STATE_DIRECTORY_MODE = 0o700;
const NODE_ID_MODE = 0o600;

/** The file of the id. */
export function nodeIdPath(stateDir: string): string {
  return join(stateDir, "node-id");
}

/**
 * The id on disk, or null when there is none yet. Writes nothing.
 * @throws {OverlayError} `ERR_FILE_FAILED` when the file cannot be read or holds something else: an id made
 *   up then would lose the node's subnet
 */
export async function readNodeId(stateDir: string): Promise<string | null> {
  const path = nodeIdPath(stateDir);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (err) {
    if (hasErrorCode(err, "ENOENT")) return null;
    throw fileError(`Cannot read the node id in ${path}`, path, err, "--state-dir");
  }
  const id = text.trim();
  if (NODE_ID_TEXT.test(id)) return id;
  throw new OverlayError(
    "ERR_FILE_FAILED",
    `Cannot use the node id in ${path}: ${showUntrusted(text)} is not 32 lower-case hex digits; ` +
      "restore the file, or remove it to join as a new node",
    { path },
  );
}

/** The id on disk, made now when there is none. @throws {OverlayError} `ERR_FILE_FAILED` */
export async function ensureNodeId(stateDir: string): Promise<string> {
  const known = await readNodeId(stateDir);
  if (known !== null) return known;
  const id = randomBytes(NODE_ID_BYTES).toString("hex");
  const path = nodeIdPath(stateDir);
  const temporary = join(stateDir, `.node-id.${id}`); // nobody else's
  try {
    await mkdir(stateDir, { recursive: true, mode: STATE_DIRECTORY_MODE });
    await writeNewFile(temporary, `${id}\n`, NODE_ID_MODE);
    // A link appears whole or not at all, and fails when somebody else was first.
    await link(temporary, path);
    await syncDirectory(stateDir);
  } catch (err) {
    const other = hasErrorCode(err, "EEXIST") ? await readNodeId(stateDir) : null;
    if (other === null) throw fileError(`Cannot store a node id in ${path}`, path, err, "--state-dir");
    return other;
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
  return id;
}
