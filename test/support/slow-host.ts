/** A host whose `ip` and whose disk are as slow as a test wants them: for a program that is started behind `wrapper`. */
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OPTIMISED, buildCProgram } from "./build-c-program.ts";
import type { CProgram } from "./build-c-program.ts";

const REAL_IP = execFileSync("sh", ["-c", "command -v ip"], { encoding: "utf8" }).trim();
/** Looks for the files beside it. */
const SCRIPT = `#!/bin/sh
dir=\${0%/*}
while [ -e "$dir/ip-hangs" ]; do sleep 0.05; done
[ -e "$dir/ip-delay" ] && sleep "$(cat "$dir/ip-delay")"
case "$*" in
*-batch*)
	if [ -e "$dir/batch-stays" ]; then
		${REAL_IP} "$@"
		while [ -e "$dir/batch-stays" ]; do sleep 0.05; done
		exit 0
	fi ;;
esac
exec ${REAL_IP} "$@"
`;
const PRELOAD = join(import.meta.dirname, "slow-fsync.c");

export class SlowHost implements AsyncDisposable {
  readonly #directory: string;
  readonly #preload: CProgram;

  private constructor(directory: string, preload: CProgram) {
    this.#directory = directory;
    this.#preload = preload;
  }

  /** As quick as any other, until it is told otherwise. */
  static async create(): Promise<SlowHost> {
    const preload = await buildCProgram(PRELOAD, [], [...OPTIMISED, "-shared", "-fPIC"]);
    const directory = await mkdtemp(join(tmpdir(), "twill-slow-host-"));
    await writeFile(join(directory, "ip"), SCRIPT);
    await chmod(join(directory, "ip"), 0o755);
    return new SlowHost(directory, preload);
  }

  /** Words that run a program on this host. */
  get wrapper(): readonly string[] {
    const path = `PATH=${this.#directory}:${process.env.PATH ?? ""}`;
    return ["env", path, `SLOW_DISK=${this.#file("disk-hangs")}`, `LD_PRELOAD=${this.#preload.path}`];
  }

  /** Whether `ip` does nothing and does not end. */
  async ipHangs(hangs: boolean): Promise<void> {
    await this.#set("ip-hangs", hangs ? "" : null);
  }

  /** How long each run of `ip` waits before it begins; null: not at all. */
  async ipDelay(seconds: number | null): Promise<void> {
    await this.#set("ip-delay", seconds === null ? null : `${seconds}`);
  }

  /** Whether `ip -batch` does its work and does not end. */
  async batchStays(stays: boolean): Promise<void> {
    await this.#set("batch-stays", stays ? "" : null);
  }

  /** Whether nothing that is written comes to the disk. */
  async diskHangs(hangs: boolean): Promise<void> {
    await this.#set("disk-hangs", hangs ? "" : null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
    await this.#preload[Symbol.asyncDispose]();
  }

  #file(name: string): string {
    return join(this.#directory, name);
  }

  async #set(name: string, content: string | null): Promise<void> {
    if (content === null) await rm(this.#file(name), { force: true });
    else await writeFile(this.#file(name), content);
  }
}
