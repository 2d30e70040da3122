/**
 * A process for the tests to break: `node replace-file-child.ts PATH TIMES BYTES` replaces the file at PATH, TIMES
 * times, by BYTES times one letter (each time the next), and prints a line after each: "written", or the error's code.
 */
import { replaceFile } from "../../src/files/replace-file.ts";
import { OverlayError } from "../../src/net/overlay-error.ts";

const MODES = { fileMode: 0o600, keepsFileMode: false, directoryMode: 0o700 };
const FIRST_LETTER = "a".charCodeAt(0);
const LETTERS = 26;
const [path = "", times = "", bytes = ""] = process.argv.slice(2);

for (let i = 0; i < Number(times); i += 1) {
  try {
    const letter = String.fromCharCode(FIRST_LETTER + (i % LETTERS));
    await replaceFile(path, letter.repeat(Number(bytes)), MODES);
    process.stdout.write("written\n");
  } catch (err) {
    process.stdout.write(`${err instanceof OverlayError ? err.code : String(err)}\n`);
  }
}
