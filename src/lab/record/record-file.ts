/** lab.json on disk. */
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { OverlayError } from "../../net/overlay-error.ts";
import type { LabRecord } from "./lab-record.ts";
import { parseLabRecord } from "./parse-record.ts";

const RECORD_FILE = "lab.json";
/** What a lab writes is far shorter; a longer file is not ours. */
const MAX_RECORD_BYTES = 1_000_000;

/** Reads lab.json of the lab in `directory`, or gives null when there is none. @throws {OverlayError} `ERR_LAB_FAILED` when it is not ours */
export async function readLabRecord(directory: string): Promise<LabRecord | null> {
  const path = join(directory, RECORD_FILE);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (err) {
    if (err instanceof Error && "code" in err && (err.code === "ENOENT" || err.code === "ENOTDIR"))
      return null;
    throw new OverlayError("ERR_LAB_FAILED", `Cannot read ${path}: ${String(err)}`, {}, { cause: err });
  }
  const record = text.length > MAX_RECORD_BYTES ? null : parseLabRecord(text);
  if (record === null) {
    throw new OverlayError(
      "ERR_LAB_FAILED",
      `Cannot use ${path}: it is not the record of a lab, or was changed by hand`,
    );
  }
  return record;
}

/** Writes lab.json by rename: a reader sees the old or the new one, whole. */
export async function writeLabRecord(directory: string, record: LabRecord): Promise<void> {
  const draft = join(directory, `.${RECORD_FILE}.new`);
  await writeFile(draft, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o644 });
  await rename(draft, join(directory, RECORD_FILE));
}
