/** A file that whoever reads it has to wait for: a pipe, until the test lets the text come. */
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { eventually } from "./eventually.ts";

const { O_NONBLOCK, O_WRONLY } = constants;

export class HeldFile {
  readonly #path: string;

  /** In the place of the file that is there. */
  constructor(path: string) {
    this.#path = path;
    rmSync(path);
    execFileSync("mkfifo", [path]);
  }

  /** Resolves when somebody reads, with what lets them have the text; afterwards the file is one as before. */
  async read(): Promise<(text: string) => void> {
    const pipe = await eventually(() => openSync(this.#path, O_WRONLY | O_NONBLOCK)); // fails until somebody reads
    return (text) => {
      rmSync(this.#path);
      writeFileSync(this.#path, text);
      writeSync(pipe, text);
      closeSync(pipe);
    };
  }
}
