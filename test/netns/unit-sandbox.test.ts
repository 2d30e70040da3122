/**
 * What the agent's unit leaves of the host is enough for both kinds of iptables: its bounding set of capabilities, no new
 * privileges, and a /run that is read-only. Without systemd: setpriv, and a mount namespace.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommand } from "../../src/lab/machine/run-command.ts";
import type { CommandResult } from "../../src/lab/machine/run-command.ts";
import { NetworkNamespace } from "../support/network-namespace.ts";

const UNIT = readFileSync(new URL("../../packaging/systemd/twill.service", import.meta.url), "utf8");

/** Makes /run an empty one, runs "$1" as ExecStartPre=+ does, makes it read-only and becomes the rest of the arguments. */
const ENTER = 'mount -t tmpfs none /run; $1; mount -o remount,ro,bind /run; shift; exec "$@"';

function setting(name: string): string {
  return new RegExp(`^${name}=(.*)$`, "m").exec(UNIT)?.[1] ?? "";
}

describe("packaging/systemd/twill.service", () => {
  const capabilities = setting("CapabilityBoundingSet").split(" ");
  const prepare = setting("ExecStartPre").replace(/^\+/, "");
  let host: NetworkNamespace;
  beforeAll(async () => {
    host = await NetworkNamespace.create();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  /** Runs a program as the unit would with these settings; its own unless told otherwise. */
  async function run(
    argv: readonly string[],
    { kept = capabilities, before = prepare, stdin = "" } = {},
  ): Promise<CommandResult> {
    const set = ["-all", ...kept.map((name) => `+${name.replace(/^CAP_/, "").toLowerCase()}`)].join(",");
    const privileges = ["setpriv", `--bounding-set=${set}`, `--inh-caps=${set}`, "--no-new-privs"];
    const enter = ["unshare", "--mount", "sh", "-ec", ENTER, "sh", before];
    return await runCommand(host.command([...enter, ...privileges, ...argv]).flat(), { stdin });
  }

  it.each(["iptables-nft", "iptables-legacy"])(
    "lets %s write and read, as the agent has it",
    async (kind) => {
      const rule = "-A POSTROUTING -s 10.244.0.0/16 -j MASQUERADE\n";
      const restore = [`${kind}-restore`, "--noflush", "--wait", "2"];
      const restored = await run(restore, { stdin: `*nat\n${rule}COMMIT\n` });
      expect(restored).toMatchObject({ code: 0, stdout: "", stderr: "" });
      const saved = await run([`${kind}-save`]);
      expect([saved.code, saved.stdout.includes(rule)]).toEqual([0, true]);
    },
  );

  it("gives nothing that iptables-legacy could do without", async () => {
    const list = ["iptables-legacy", "-t", "nat", "-S"];
    for (const capability of capabilities) {
      const others = capabilities.filter((name) => name !== capability);
      const { code, stderr } = await run(list, { kept: others });
      expect([capability, code, stderr]).toEqual([
        capability,
        expect.any(Number),
        expect.stringMatching(/ermi/),
      ]);
      expect(code).not.toBe(0);
    }
    const { code, stderr } = await run(list, { before: "true" });
    expect([code, stderr]).toEqual([4, expect.stringContaining("/run/xtables.lock: Read-only file system")]);
  });
});
