import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { tolerateClosedPipe } from "../../../src/cli/closed-pipe.ts";
import { endOf } from "../../support/child-output.ts";

const TWILL = resolve(import.meta.dirname, "../../../bin/twill");

describe("tolerateClosedPipe", () => {
  it("lets a command end as it would although nobody reads its output any more", async () => {
    const child = spawn(TWILL, ["--help"], { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    let complaint = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text));
    expect(await endOf(child)).toBe(0);
    expect(complaint).toBe("");
  });

  it("leaves every other failure to fail", () => {
    const stream = new PassThrough();
    tolerateClosedPipe(stream);
    const full = Object.assign(new Error("no space left"), { code: "ENOSPC" });
    expect(() => stream.emit("error", full)).toThrow("no space left");
  });
});
