import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { shellWord } from "../../../src/net/shell-word.ts";

const LONG_PATH = `/srv/${"a path longer than what a message repeats of somebody else's text/".repeat(3)}subnet.env`;

/** What a shell makes of the word. */
function readByShell(word: string): string {
  return execFileSync("/bin/sh", ["-c", `printf %s ${word}`], { encoding: "utf8" });
}

describe("shellWord", () => {
  it.each([
    "",
    "--name=web",
    "web@host:8080",
    "/srv/my lab's",
    "$(reboot)",
    "a;b|c&d",
    "~root",
    "*",
    'back\\slash and "quotes"',
    "/srv/caf\u00e9 \u6e2c\u8a66",
    LONG_PATH,
  ])("gives %j to the shell whole", (text) => {
    expect(readByShell(shellWord(text))).toBe(text);
  });

  it.each([
    ["a\nreboot", String.raw`'a\u000areboot'`],
    ["\u001b[2J", String.raw`'\u001b[2J'`],
    ["\u202ecba", String.raw`'\u202ecba'`], // right-to-left override
  ])("escapes what cannot be printed in %j", (text, word) => {
    expect(shellWord(text)).toBe(word);
  });
});
