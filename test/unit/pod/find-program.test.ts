import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findProgram } from "../../../src/pod/find-program.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "twill-find-program-"));
  for (const name of ["tool", "data", "second/tool", "second/other"]) {
    await mkdir(join(directory, name, ".."), { recursive: true });
    await writeFile(join(directory, name), "#!/bin/sh\n");
    await chmod(join(directory, name), name === "data" ? 0o644 : 0o755);
  }
  await symlink(join(directory, "tool"), join(directory, "link"));
  await symlink(join(directory, "none"), join(directory, "dangling"));
});
afterEach(() => rm(directory, { recursive: true }));

describe("findProgram", () => {
  it("looks in one directory after the other", () => {
    const path = `${directory}/none:${directory}:${directory}/second`;
    expect(findProgram("tool", path)).toBe(join(directory, "tool"));
    expect(findProgram("other", path)).toBe(join(directory, "second/other"));
    expect(findProgram("link", path)).toBe(join(directory, "link"));
  });

  it("takes a word with a slash as a path", () => {
    expect(findProgram(join(directory, "tool"), "")).toBe(join(directory, "tool"));
    expect(findProgram("./none", directory)).toBeNull();
  });

  it.each(["", "cd", "exit", ":", "second", "data", "dangling", "none", ".."])(
    "finds no program %j",
    (name) => expect(findProgram(name, directory)).toBeNull(),
  );
});
