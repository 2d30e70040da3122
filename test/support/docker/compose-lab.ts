/** The compose lab of the checkout, brought up on an engine by docker-compose 1.29. */
import { join } from "node:path";
import { runChecked } from "../../../src/lab/machine/run-command.ts";
import type { DockerEngine } from "./docker-engine.ts";
import { footprintChange, footprintOf } from "./engine-footprint.ts";

const ROOT = join(import.meta.dirname, "../../..");
const PROJECT = "twill-compose";
/** Three hosts and an etcd on a busy machine. */
const COMPOSE_TIMEOUT_MS = 120_000;

/** Lines of `.env` that are to be others, by variable. */
export type ComposeSettings = Readonly<Record<`TWILL_${string}`, string>>;

/** Services that are hosts, each with a pod named web. */
export const COMPOSE_HOSTS: readonly string[] = ["host1", "host2", "host3"];

/** What the engine has of a lab that is up, in {@link footprintOf}'s words and order. */
export const COMPOSE_PARTS: readonly string[] = [
  ...["config", "etcd", ...COMPOSE_HOSTS].map((service) => `container ${PROJECT}_${service}_1`),
  `network ${PROJECT}_underlay`,
  ...["etcd-data", ...COMPOSE_HOSTS.map((host) => `${host}-state`)].map(
    (name) => `volume ${PROJECT}_${name}`,
  ),
];

/** Ends with `down -v`, whatever became of its `up`; {@link ComposeLab.leftovers} looks behind it. */
export class ComposeLab implements AsyncDisposable {
  readonly #engine: DockerEngine;
  readonly #images: ComposeSettings;
  readonly #before: readonly string[];
  #settings: ComposeSettings = {};
  #overrides: readonly string[] = [];

  private constructor(engine: DockerEngine, images: ComposeSettings, before: readonly string[]) {
    this.#engine = engine;
    this.#images = images;
    this.#before = before;
  }

  /** Notes what the engine has, and makes nothing yet. */
  static async create(engine: DockerEngine, images: ComposeSettings): Promise<ComposeLab> {
    return new ComposeLab(engine, images, await footprintOf(engine));
  }

  /**
   * `docker-compose up -d`, first or again, with these settings and files over `docker-compose.yml`; pods come up after
   * it returns. @throws {OverlayError} `ERR_LAB_FAILED`
   */
  async up(settings: ComposeSettings = {}, overrides: readonly string[] = []): Promise<void> {
    this.#settings = settings;
    this.#overrides = overrides;
    await this.#compose(["up", "-d"]);
  }

  /**
   * Runs a command in a service's container; resolves with what it printed. Not by docker-compose, which takes half a
   * second of a core to start. @throws {OverlayError} `ERR_LAB_FAILED`
   */
  async exec(service: string, argv: readonly string[]): Promise<string> {
    return (await this.#engine.docker(["exec", `${PROJECT}_${service}_1`, ...argv])).trim();
  }

  /** The same as people do it. */
  async composeExec(service: string, argv: readonly string[]): Promise<string> {
    return (await this.#compose(["exec", "-T", service, ...argv])).trim();
  }

  /** Runs a service that ends, with further arguments; resolves with what it printed. @throws {OverlayError} `ERR_LAB_FAILED` */
  async run(service: string, args: readonly string[]): Promise<string> {
    return (await this.#compose(["run", "--rm", "-T", service, ...args])).trim();
  }

  /** What the engine and its network namespace have that was not there before, and the other way round. */
  async leftovers(): Promise<string[]> {
    return footprintChange(this.#before, await footprintOf(this.#engine));
  }

  async down(): Promise<void> {
    await this.#compose(["down", "-v"]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }

  async #compose(args: readonly string[]): Promise<string> {
    const files = [join(ROOT, "docker-compose.yml"), ...this.#overrides].flatMap((file) => ["--file", file]);
    const options = ["--project-name", PROJECT, "--project-directory", ROOT, ...files];
    return await runChecked(["docker-compose", ...options, ...args], {
      env: { ...this.#engine.clientEnvironment, ...this.#images, ...this.#settings },
      timeoutMs: COMPOSE_TIMEOUT_MS,
    });
  }
}
