import type { Readable } from "node:stream";

/** Kept of a program's output, in UTF-16 units: far beyond any answer; the rest is dropped. */
const MAX_OUTPUT = 2 ** 20;

/** Reads a stream to its end; the function it returns gives what has come so far. */
export function collectOutput(stream: Readable): () => string {
  let text = "";
  stream.setEncoding("utf8");
  stream.on("data", (piece: string) => {
    text = (text + piece).slice(0, MAX_OUTPUT);
  });
  return () => text;
}
