import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { runProgram } from "../../../src/cli/program.ts";

/** Exit status and output of `twill docker-names` with arguments that keep it from starting. */
async function run(...args: string[]): Promise<{ status: number; text: string }> {
  let text = "";
  const keep = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  return { status: await runProgram(["docker-names", ...args], keep, keep), text };
}

describe("twill docker-names", () => {
  it.each([
    ["--zone=", 'Cannot use --zone: "" is not a name'],
    ["--zone=a b", 'Cannot use --zone: "a b" is not a name'],
    [`--zone=${"a".repeat(64)}`, "is not a name of at most 63"],
    ["--listen=localhost", 'Cannot use --listen: "localhost" is not an address of this host'],
    ["--listen=0.0.0.0", "Cannot use --listen"],
    ["--listen=192.0.2.1:0", "Cannot use --listen"],
    ["--listen=192.0.2.1:65536", "Cannot use --listen"],
    ["--listen=192.0.2.1:53:53", "Cannot use --listen"],
    ["--ttl=4", 'Cannot use --ttl: "4" is not 5 to 3600 seconds'],
    ["--ttl=3601", "is not 5 to 3600 seconds"],
    ["--ttl=1e3", "is not 5 to 3600 seconds"],
    ["--etcd-endpoints=http://user@192.0.2.1:2379", "an endpoint holds a user"],
    ["--etcd-username=twill", "Cannot use --etcd-username and an etcd password without each other"],
  ])("refuses %s in a sentence", async (flag, sentence) => {
    const { status, text } = await run(flag);
    expect(text).toContain(sentence);
    expect(text.split("\n")).toHaveLength(2);
    expect(status).toBe(2);
  });
});
