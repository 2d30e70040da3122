/** The compose lab of the checkout, brought up on an engine by docker-compose 1.29. */
import { join } from "node:path";
import { runChecked } from "../../../src/lab/machine/run-command.ts";
import type { DockerEngine } from "./docker-engine.ts";

const ROOT = join(import.meta.dirname, "../../..");
const PROJECT = "twill-compose";
/** Three hosts and an etcd on a busy machine. */
const COMPOSE_TIMEOUT_MS = 120_000;

/** What `.env` says, by variable. */
export type ComposeSettings = Readonly<Record<`TWILL_${string}`, string>>;

export const COMPOSE_HOSTS: readonly string[] = ["host1", "host2", "host3"];

/** Ends with `down -v`, which is what {@link ComposeLab.leftovers} looks behind. */
export class ComposeLab implements AsyncDisposable {
  readonly #engine: DockerEngine;
  readonly #settings: ComposeSettings;

  private constructor(engine: DockerEngine, settings: ComposeSettings) {
    this.#engine = engine;
    this.#settings = settings;
  }

  /** `docker-compose up -d`; pods come up after it returns. @throws {OverlayError} `ERR_LAB_FAILED` */
  static async up(engine: DockerEngine, settings: ComposeSettings): Promise<ComposeLab> {
    const lab = new ComposeLab(engine, settings);
    await lab.#compose(["up", "-d"]);
    return lab;
  }

  /** Runs a command in a service's container; resolves with what it printed. @throws {OverlayError} `ERR_LAB_FAILED` */
  async exec(service: string, argv: readonly string[]): Promise<string> {
    return (await this.#compose(["exec", "-T", service, ...argv])).trim();
  }

  /** What the engine still has of the project, by kind and name. */
  async leftovers(): Promise<string[]> {
    const filter = `--filter=label=com.docker.compose.project=${PROJECT}`;
    const lists = [
      ["ps", "--all"],
      ["volume", "ls"],
      ["network", "ls"],
    ].map(async ([kind = "", ...more]) => {
      const names = await this.#engine.docker([kind, ...more, "--quiet", filter]);
      return names.split("\n").flatMap((name) => (name === "" ? [] : [`${kind} ${name}`]));
    });
    return (await Promise.all(lists)).flat();
  }

  async down(): Promise<void> {
    await this.#compose(["down", "-v"]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }

  async #compose(args: readonly string[]): Promise<string> {
    const files = ["--project-directory", ROOT, "--file", join(ROOT, "docker-compose.yml")];
    return await runChecked(["docker-compose", "--project-name", PROJECT, ...files, ...args], {
      env: { ...this.#engine.clientEnvironment, ...this.#settings },
      timeoutMs: COMPOSE_TIMEOUT_MS,
    });
  }
}
