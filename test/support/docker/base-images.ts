/** The images that ours starts from, where no image registry can be reached: made of Debian packages once, kept in build/. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { runChecked } from "../../../src/lab/machine/run-command.ts";
import type { DockerEngine } from "./docker-engine.ts";

/** Names of images in an engine. */
export interface BaseImages {
  /** Debian with Node.js and npm. */
  readonly base: string;
  /** Debian with etcd and etcdctl. */
  readonly etcd: string;
}

const ROOT = join(import.meta.dirname, "../../..");
const SCRIPT = join(ROOT, "scripts/local-base-image");
const CACHE = join(ROOT, "build/docker");
const DIGEST_DIGITS = 16;
/** debootstrap and two `apt-get install`: a minute. */
const MAKE_TIMEOUT_MS = 280_000;
const SAVE_TIMEOUT_MS = 120_000;

/** Gives both to the engine, which must reach package registries if they are not in build/ yet. */
export async function addBaseImages(engine: DockerEngine): Promise<BaseImages> {
  const digest = createHash("sha256").update(readFileSync(SCRIPT)).digest("hex").slice(0, DIGEST_DIGITS);
  const archive = join(CACHE, `base-images-${digest}.tar`);
  const isCached = existsSync(archive);
  if (isCached) await engine.loadImage(archive);
  const images = await makeImages(engine);
  if (!isCached) await saveImages(engine, images, archive);
  return images;
}

/** Runs the script, which makes what the engine does not have. It asks npm of this user how to reach the registry. */
async function makeImages(engine: DockerEngine): Promise<BaseImages> {
  const { HOME = "/", NODE_EXTRA_CA_CERTS = "" } = process.env;
  const env = { ...engine.clientEnvironment, HOME, NODE_EXTRA_CA_CERTS };
  const names = await runChecked([SCRIPT], { env, timeoutMs: MAKE_TIMEOUT_MS });
  const [, base, etcd] = /^export TWILL_BASE=(\S+) TWILL_ETCD_IMAGE=(\S+)$/m.exec(names) ?? [];
  if (base === undefined || etcd === undefined) throw new Error(`${SCRIPT} printed no images: ${names}`);
  return { base, etcd };
}

async function saveImages(engine: DockerEngine, { base, etcd }: BaseImages, archive: string): Promise<void> {
  const draft = `${archive}.${process.pid}`;
  await mkdir(CACHE, { recursive: true });
  await engine.docker(["save", "--output", draft, base, etcd], { timeoutMs: SAVE_TIMEOUT_MS });
  await rename(draft, archive);
}
