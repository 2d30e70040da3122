/** A place to run a shell script of the checkout with few programs: small ones of the test's, and named ones of the machine. */
import { execFile } from "node:child_process";
import { access, chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

/** How a script ended. */
export interface ScriptEnd {
  /** Exit code, or `killed`. */
  readonly code: string;
  readonly stdout: string;
  readonly stderr: string;
}

/** A directory with programs in `bin`, which is the whole path of the script that runs; it goes with the test. */
export class ScriptBench implements AsyncDisposable {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Makes one with these programs of the machine, and the test's own Node.js as `node`. */
  static async create(tools: readonly string[]): Promise<ScriptBench> {
    const bench = new ScriptBench(await mkdtemp(join(tmpdir(), "twl-test-script-")));
    await mkdir(join(bench.directory, "bin"));
    for (const name of tools) await symlink(await findTool(name), bench.#program(name));
    await symlink(process.execPath, bench.#program("node"));
    return bench;
  }

  /** Makes a program of this name, in the place of one that is there, which notes its arguments and does this. */
  async program(name: string, does: string): Promise<void> {
    await rm(this.#program(name), { force: true });
    await writeFile(
      this.#program(name),
      `#!/bin/sh\necho "${name} $*" >>"${this.directory}/calls"\n${does}\n`,
    );
    await chmod(this.#program(name), 0o755);
  }

  async without(name: string): Promise<void> {
    await rm(this.#program(name));
  }

  /** How the program of this name was called, each time as a line. */
  async calls(name: string): Promise<string[]> {
    const text = await readFile(join(this.directory, "calls"), "utf8").catch(() => "");
    return text.split("\n").filter((line) => line.startsWith(`${name} `));
  }

  /** Runs a script with these variables and no others. */
  async run(
    script: string,
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<ScriptEnd> {
    const PATH = join(this.directory, "bin");
    return await new Promise((done) => {
      execFile(script, args, { env: { PATH, ...env } }, (err, stdout, stderr) => {
        done({ code: err === null ? "0" : `${err.code ?? "killed"}`, stdout, stderr });
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true });
  }

  #program(name: string): string {
    return join(this.directory, "bin", name);
  }
}

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
