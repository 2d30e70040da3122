import { Namespace } from "../../../src/lab/machine/namespace.ts";

/** A network namespace without a name, known by a process in it. */
export class NamespaceOfProcess extends Namespace {
  readonly #pid: number;

  /** @param token the lab's whose processes are to be found in it, or "" */
  constructor(name: string, token: string, pid: number) {
    super(name, token);
    this.#pid = pid;
  }

  override command(argv: readonly string[]): string[] {
    return ["nsenter", `--net=/proc/${this.#pid}/ns/net`, "--", ...argv];
  }

  override async ip(lines: readonly string[], signal?: AbortSignal): Promise<void> {
    await this.execChecked(["ip", "-batch", "-"], { stdin: `${lines.join("\n")}\n`, signal });
  }
}
