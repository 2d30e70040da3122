import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endOf, printed } from "../support/child-output.ts";
import { eventually } from "../support/eventually.ts";
import { makeLabFolder, namespacesOf, removeLabFolder } from "../support/lab-folder.ts";

const ROOT = join(import.meta.dirname, "../..");
const BUILD = join(ROOT, "build");
const MEASURE_MS = 60_000;

let directory: string;
beforeAll(() => (directory = makeLabFolder()));
afterAll(async () => await removeLabFolder(directory));

/** One short comparison. It prints on stdout only, progress included. */
function start(): ChildProcess {
  const script = join(ROOT, "scripts/bench-checks");
  const options = ["--repeats", "1", "--seconds", "1", "--json", join(directory, "result.json")];
  return spawn("sh", ["-c", 'exec "$@" 2>&1', "sh", script, ...options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

function copies(): string[] {
  return readdirSync(BUILD).filter((name) => name.startsWith("checks."));
}

/** Addons that a process has mapped. */
function addonsOf(pid: string): string[] {
  try {
    const maps = readFileSync(`/proc/${pid}/maps`, "utf8");
    return [...new Set(maps.match(/\/\S*\.node$/gm))].toSorted();
  } catch {
    return []; // it has ended meanwhile
  }
}

describe("scripts/bench-checks", () => {
  it("compares the engine with one built without checks, which an agent has loaded from a copy", async () => {
    const earlier = copies();
    const child = start();
    const ended = endOf(child);
    let output = "";
    child.stdout?.setEncoding("utf8").on("data", (piece: string) => (output += piece));

    const copy = await eventually(() => copies().find((name) => !earlier.includes(name)) ?? false);
    const built = join(BUILD, copy, "build");
    const addons = [join(built, "twill_engine.node"), join(built, "twill_tun.node")];
    await eventually(
      () => {
        const processes = readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name));
        expect(processes.map(addonsOf)).toContainEqual(addons);
      },
      { timeoutMs: MEASURE_MS, pollMs: 50 },
    );
    const engine = readFileSync(join(built, "twill_engine.node"));
    expect(engine.equals(readFileSync(join(BUILD, "twill_engine.node")))).toBe(false);

    expect(await ended).toBe(0);
    expect(output).toMatch(/^with \/ without: [0-9.]+ \(ratio of the medians\), [0-9.]+ \(median of .*\)$/m);
    expect(existsSync(join(BUILD, copy))).toBe(false);
  });

  it("takes the lab down and removes the copy when it is stopped", async () => {
    const earlier = copies();
    const child = start();
    const exited = once(child, "exit"); // not its end: the bench has the pipe as well
    await printed(child, "pods connected");
    const pid = child.pid ?? 0;
    const lab = `bench-${readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim()}`;
    expect(namespacesOf(lab)).toHaveLength(5);
    expect(copies()).not.toEqual(earlier);
    child.kill("SIGTERM");
    expect(await exited).toEqual([143, null]);
    expect(namespacesOf(lab)).toEqual([]);
    expect(copies()).toEqual(earlier);
  });
});
