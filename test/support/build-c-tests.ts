/**
 * Builds the C test programs with the address and undefined-behaviour sanitizers: native/ once, as an archive, then each
 * program against it. Kept in build/sanitized, and built again only where a source or any header is newer.
 */
import { mkdir, readdir, rename, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import { C_FLAGS, NATIVE, SANITIZERS, runCompiler } from "./build-c-program.ts";

const OUTPUT = join(import.meta.dirname, "../../build/sanitized");
/** Rooms of native/ without Node-API. */
const ROOMS = ["os", "packet", "engine"];
const ARCHIVE = join(OUTPUT, "native.a");

/** Builds every `*-test.c` of a folder; resolves with the paths of the programs, by the names of their sources. */
export async function buildCTests(folder: string): Promise<Map<string, string>> {
  await mkdir(OUTPUT, { recursive: true });
  const headers = await newestOf([folder, ...ROOMS.map((room) => join(NATIVE, room))], ".h");
  await buildArchive(headers);
  const sources = (await readdir(folder)).filter((name) => name.endsWith("-test.c")).sort();
  const notBefore = Math.max(headers, await modifiedMs(ARCHIVE));
  const programs = await inParallel(sources, async (name) => {
    const program = join(OUTPUT, basename(name, ".c"));
    await buildUnlessNewer(program, join(folder, name), notBefore, [ARCHIVE, "-pthread"]);
    return [name, program] as const;
  });
  return new Map(programs);
}

async function buildArchive(notBefore: number): Promise<void> {
  const files = await Promise.all(
    ROOMS.map(async (room) => (await readdir(join(NATIVE, room))).map((name) => [room, name] as const)),
  );
  const sources = files.flat().filter(([, name]) => name.endsWith(".c"));
  const built = await inParallel(sources, async ([room, name]) => {
    const object = join(OUTPUT, `${room}-${basename(name, ".c")}.o`);
    const isNew = await buildUnlessNewer(object, join(NATIVE, room, name), notBefore, ["-c"]);
    return { object, isNew };
  });
  if (!built.some(({ isNew }) => isNew) && (await modifiedMs(ARCHIVE)) > 0) return;
  const objects = built.map(({ object }) => object);
  await renamed(ARCHIVE, (path) => runCompiler("ar", ["rcs", path, ...objects]));
}

/** True when it had to be built. */
async function buildUnlessNewer(
  output: string,
  source: string,
  notBefore: number,
  flags: readonly string[],
): Promise<boolean> {
  if ((await modifiedMs(output)) > Math.max(notBefore, await modifiedMs(source))) return false;
  const arguments_ = [...C_FLAGS, ...SANITIZERS, "-I", NATIVE];
  await renamed(output, (path) => runCompiler("gcc", [...arguments_, "-o", path, source, ...flags]));
  return true;
}

/** Under a name of its own, then renamed: another run may be using the file. */
async function renamed(path: string, make: (path: string) => Promise<void>): Promise<void> {
  await make(`${path}.${process.pid}`);
  await rename(`${path}.${process.pid}`, path);
}

async function newestOf(folders: readonly string[], ending: string): Promise<number> {
  const times = folders.map(async (folder) => {
    const names = (await readdir(folder)).filter((name) => name.endsWith(ending));
    return await Promise.all(names.map((name) => modifiedMs(join(folder, name))));
  });
  return Math.max(0, ...(await Promise.all(times)).flat());
}

/** 0 when there is no such file. */
async function modifiedMs(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.mtimeMs ?? 0;
}

/** As many at a time as there are CPUs; results in the order of `items`. */
async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries(); // shared: each worker takes the next one
  const worker = async (): Promise<void> => {
    for (const [i, item] of queue) results[i] = await work(item);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return results;
}
