/** Holds the table "Rooms" of docs/architecture.md: which folder under src may import which. */
import { readdirSync, readFileSync } from "node:fs";
import { posix, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { readImports } from "../support/module-imports.ts";

/** What the files of one folder under src may import, besides each other and packages. */
interface Room {
  /** Folders. */
  readonly imports: readonly string[];
  /** Folders or files of which only types may be imported. */
  readonly types?: readonly string[];
}

const LOWER_ROOMS = [
  "net",
  "files",
  "process",
  "addon",
  "subnet-lease",
  "peers",
  "kernel",
  "datapath",
  "backends",
];
/** How programs outside the agent know it: the JSON of its status. */
const LOCAL_API = ["agent/status.ts"];

const ROOMS: ReadonlyMap<string, Room> = new Map<string, Room>([
  ["net", { imports: [] }],
  ["local-http", { imports: [] }],
  ["files", { imports: ["net", "addon"] }],
  ["process", { imports: ["net", "addon"] }],
  ["subnet-lease", { imports: ["net"] }],
  ["peers", { imports: ["net"], types: ["subnet-lease"] }],
  ["addon", { imports: ["net"] }],
  ["kernel", { imports: ["net", "addon"] }],
  ["datapath", { imports: ["net", "addon"] }],
  // Types of subnet-lease too: what a backend announces and is configured with is the lease's BackendData.
  ["backends", { imports: ["net", "kernel", "datapath"], types: ["peers", "subnet-lease"] }],
  ["agent", { imports: LOWER_ROOMS }],
  // A bridge and veths are links like the agent's own.
  ["docker", { imports: ["net", "local-http", "files", "process", "kernel"], types: LOCAL_API }],
  ["names", { imports: ["net", "local-http", "files", "process", "subnet-lease"] }],
  ["cni", { imports: ["net", "files"], types: LOCAL_API }],
  // A pod is attached by a plugin, as twill-cni attaches by one: there is one way to call it.
  ["pod", { imports: ["net", "files", "cni"], types: LOCAL_API }],
  ["lab", { imports: ["net", "local-http", "files"], types: LOCAL_API }],
  ["bench", { imports: ["net", "files", "lab"], types: LOCAL_API }],
  [
    "cli",
    { imports: [...LOWER_ROOMS, "local-http", "agent", "docker", "names", "cni", "pod", "lab", "bench"] },
  ],
]);

const MAX_LINES = 350;
const ROOT = resolve(import.meta.dirname, "../..");

/** Everything that is wrong with the imports of `file` (`src/...`), one sentence each. */
function findViolations(file: string, text: string): string[] {
  return readImports(file, text).flatMap(({ specifier, isTypeOnly, line }) => {
    const problem = findProblem(file, specifier, isTypeOnly);
    return problem === null ? [] : [`${file}:${line} ${problem}`];
  });
}

function findProblem(file: string, specifier: string, isTypeOnly: boolean): string | null {
  if (specifier === "<computed>") return "imports a module that no reader can name";
  if (/^(\/|file:)/.test(specifier)) return `imports ${specifier}, an absolute path`;
  if (!specifier.startsWith(".")) return null; // a package, or Node
  const target = posix.join(posix.dirname(file), specifier);
  if (!target.startsWith("src/")) return `imports ${target}, which is outside src`;
  const [from, to] = [roomOf(file), roomOf(target)];
  const room = ROOMS.get(from);
  if (room === undefined) return `is in ${from}, which is no room`;
  if (from === to) return findBackendProblem(file, target) ?? findDockerProblem(file, target);
  if (room.imports.includes(to)) return null;
  const hasTypes = room.types?.some((name) => name === to || `src/${name}` === target) === true;
  if (hasTypes && isTypeOnly) return null;
  return `imports ${hasTypes ? "more than types of " : ""}${target}, which ${from} may not`;
}

/** Under backends, but no way of carrying packets: the device, socket and engine that udp and vxlan share. */
const SHARED_BY_BACKENDS = "src/backends/tunnel/";

/** A backend knows the interface, what is shared and its own folder, not the others, nor the table that knows them all. */
function findBackendProblem(file: string, target: string): string | null {
  const own = /^src\/backends\/[^/]+\//.exec(file)?.[0];
  if (own === undefined || target.startsWith(own) || target === "src/backends/backend.ts") return null;
  if (own !== SHARED_BY_BACKENDS && target.startsWith(SHARED_BY_BACKENDS)) return null;
  return `imports ${target}, which is not its own`;
}

/** Ways onto the host's lease under docker, none knowing another: what two of them use lies beside them. */
const WAY_OF_DOCKER = /^src\/docker\/(?:network|opts|plugin)\//;

function findDockerProblem(file: string, target: string): string | null {
  const to = WAY_OF_DOCKER.exec(target)?.[0];
  if (to === undefined || to === WAY_OF_DOCKER.exec(file)?.[0]) return null;
  return `imports ${target}, which is not its own`;
}

/** The folder under src, or "" for a file that lies in src itself. */
function roomOf(path: string): string {
  const [, room = "", ...rest] = path.split("/");
  return rest.length === 0 ? "" : room;
}

const files = readdirSync(resolve(ROOT, "src"), { recursive: true, encoding: "utf8" })
  .filter((path) => /\.[cm]?[jt]sx?$/.test(path))
  .map((path) => ({ path: `src/${path}`, text: readFileSync(resolve(ROOT, "src", path), "utf8") }));

describe("src", () => {
  it("has only the rooms of the table", () => {
    const rooms = new Set(files.map(({ path }) => roomOf(path)));
    expect([...rooms].filter((room) => !ROOMS.has(room))).toEqual([]);
    expect(rooms).toContain("net");
  });

  it("imports along the table only", () => {
    expect(files.flatMap(({ path, text }) => findViolations(path, text))).toEqual([]);
  });

  it(`has no file of more than ${MAX_LINES} lines`, () => {
    const long = files.filter(({ text }) => text.trimEnd().split("\n").length > MAX_LINES);
    expect(long.map(({ path }) => path)).toEqual([]);
  });
});

describe("findViolations", () => {
  const ALLOWED: [file: string, text: string][] = [
    ["src/peers/a.ts", 'import { x } from "../net/ipv4.ts";'],
    ["src/peers/a.ts", 'import type { X } from "../subnet-lease/lease.ts";'],
    ["src/peers/a.ts", 'export type { X } from "../subnet-lease/lease.ts";'],
    ["src/peers/a.ts", 'type X = import("../subnet-lease/lease.ts").X;'],
    ["src/peers/a.ts", 'import { readFile } from "node:fs/promises"; import pino from "pino";'],
    ["src/peers/a.ts", '// import "../kernel/a.ts"\nconst text = \'import "../kernel/a.ts"\';'],
    ["src/backends/backend.ts", 'import type { X } from "../subnet-lease/lease.ts";'],
    ["src/backends/backends.ts", 'import { x } from "./udp/udp-backend.ts";'],
    ["src/backends/udp/a.ts", 'import type { X } from "../backend.ts"; import { y } from "./b.ts";'],
    ["src/docker/plugin/links/a.ts", 'import { x } from "../state/a.ts"; import { y } from "../../a.ts";'],
    ["src/lab/a.ts", 'import type { AgentStatus } from "../agent/status.ts";'],
    ["src/cli/a.ts", 'import { x } from "../agent/a.ts"; import { y } from "../lab/a.ts";'],
  ];
  it.each(ALLOWED)("allows in %s: %s", (file, text) => expect(findViolations(file, text)).toEqual([]));

  const FORBIDDEN: [file: string, text: string][] = [
    ["src/net/a.ts", 'import "../peers/a.ts";'],
    ["src/net/a.ts", 'import type { X } from "../peers/a.ts";'],
    ["src/peers/a.ts", 'import { x } from "../kernel/a.ts";'],
    ["src/peers/a.ts", 'import { x } from "../subnet-lease/a.ts";'],
    ["src/peers/a.ts", 'import { type X } from "../subnet-lease/a.ts";'],
    ["src/peers/a.ts", 'export * from "../subnet-lease/a.ts";'],
    ["src/peers/a.ts", 'export type { X } from "../kernel/a.ts";'],
    ["src/peers/a.ts", 'const x = await import("../subnet-lease/a.ts");'],
    ["src/peers/a.ts", "const x = await import(`../subnet-lease/a.ts`);"],
    ["src/peers/a.ts", "const x = await import(name);"],
    ["src/peers/a.ts", 'const x = require("../kernel/a.ts");'],
    ["src/peers/a.ts", 'import x = require("../kernel/a.ts");'],
    ["src/peers/a.ts", 'function f(x: import("../kernel/a.ts").X): void {}'],
    ["src/peers/a.ts", 'import { x } from "../../src/kernel/a.ts";'],
    ["src/peers/a.ts", 'import { x } from "../../test/support/eventually.ts";'],
    ["src/peers/a.ts", 'import { x } from "/src/kernel/a.ts";'],
    ["src/peers/a.ts", 'import { x } from "file:///src/kernel/a.ts";'],
    ["src/kernel/a.ts", 'import { x } from "../datapath/a.ts";'],
    ["src/datapath/a.ts", 'import type { X } from "../peers/peer.ts";'],
    ["src/backends/udp/a.ts", 'import { x } from "../../peers/a.ts";'],
    ["src/backends/udp/a.ts", 'import { x } from "../vxlan/a.ts";'],
    ["src/backends/udp/a.ts", 'import { x } from "../backends.ts";'],
    ["src/docker/network/a.ts", 'import { x } from "../plugin/links/a.ts";'],
    ["src/docker/plugin/links/a.ts", 'import type { X } from "../../network/a.ts";'],
    ["src/docker/a.ts", 'import { x } from "./opts/a.ts";'],
    ["src/agent/a.ts", 'import { x } from "../cli/a.ts";'],
    ["src/agent/a.ts", 'import type { X } from "../lab/a.ts";'],
    ["src/lab/a.ts", 'import { x } from "../agent/status.ts";'],
    ["src/lab/a.ts", 'import type { X } from "../agent/config.ts";'],
    ["src/lab/a.ts", 'import { x } from "../cli/a.ts";'],
    ["src/helpers/a.ts", 'import { x } from "../net/ipv4.ts";'],
    ["src/a.ts", 'import { x } from "./net/ipv4.ts";'],
  ];
  it.each(FORBIDDEN)("forbids in %s: %s", (file, text) => expect(findViolations(file, text)).toHaveLength(1));

  it("names the line", () => {
    expect(findViolations("src/net/a.ts", 'import "node:fs";\nimport "../cli/main.ts";')).toEqual([
      "src/net/a.ts:2 imports src/cli/main.ts, which net may not",
    ]);
  });
});
