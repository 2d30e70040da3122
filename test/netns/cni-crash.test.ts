/** `twill-cni` killed amid an ADD: the runtime's DEL, or an ADD without one, finds nothing in its way. */
import { execFileSync } from "node:child_process";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readProcessStat } from "../../src/files/process-identity.ts";
import { CniHost, DEBIAN_PLUGINS, addressOf } from "../support/cni-host.ts";
import type { Container } from "../support/cni-host.ts";
import { eventually } from "../support/eventually.ts";
import { createLab } from "../support/lab.ts";
import type { Lab } from "../support/lab.ts";

const SUCCESS = { code: 0, stdout: "" };
const CONFIG = { delegate: { type: "held-bridge", isGateway: true } };

/** When the plugin is killed, and whether the delegate goes on without it. */
interface Crash {
  readonly name: string;
  readonly heldAt: "before" | "after";
  readonly delegateGoesOn: boolean;
}

const CRASHES: readonly Crash[] = [
  { name: "before the delegate did anything", heldAt: "before", delegateGoesOn: false },
  { name: "after the delegate had done everything", heldAt: "after", delegateGoesOn: false },
  { name: "while the delegate goes on to its end", heldAt: "before", delegateGoesOn: true },
];

/** A host whose delegate is Debian's `bridge`, held before or after it in an ADD for as long as a file says so. */
class HeldHost extends CniHost {
  readonly plugins = `${this.directory}-plugins`;
  readonly #fifo = join(this.plugins, "go-on");

  async install(): Promise<void> {
    await mkdir(this.plugins, { recursive: true });
    execFileSync("mkfifo", [this.#fifo]);
    const script = `#!/bin/sh
hold() {
	[ "$CNI_COMMAND" != ADD ] || [ "$(cat ${this.plugins}/held-at)" != "$1" ] || { echo $$ >${this.plugins}/pid; read -r _ <${this.#fifo}; }
}
config=$(cat)
hold before
result=$(printf '%s' "$config" | ${DEBIAN_PLUGINS}/bridge) || { printf '%s' "$result"; exit 1; }
hold after
printf '%s' "$result"
`;
    await writeFile(join(this.plugins, "held-bridge"), script);
    await chmod(join(this.plugins, "held-bridge"), 0o755);
    await this.hold("nowhere");
  }

  async hold(at: "before" | "after" | "nowhere"): Promise<void> {
    await writeFile(join(this.plugins, "held-at"), at);
  }

  /** Where the delegate and those behind it are found. */
  get path(): Record<string, string> {
    return { CNI_PATH: `${this.plugins}:${DEBIAN_PLUGINS}` };
  }

  /** Kills the plugin in an ADD with SIGKILL, and the delegate unless it goes on. */
  async crash(container: Container, { heldAt, delegateGoesOn }: Omit<Crash, "name">): Promise<void> {
    await rm(join(this.plugins, "pid"), { force: true }); // of an earlier one
    await this.hold(heldAt);
    const plugin = this.start("ADD", container, CONFIG, this.path);
    const delegate = await eventually(
      async () => Number(await readFile(join(this.plugins, "pid"), "utf8")) || false,
      { timeoutMs: 20_000 },
    );
    plugin.kill();
    await plugin.ended;
    if (delegateGoesOn) await writeFile(this.#fifo, "\n");
    else process.kill(delegate, "SIGKILL");
    await eventually(() => !isAlive(delegate));
    await this.hold("nowhere");
  }
}

/** A zombie is none: it is whose child it became to take it away. */
function isAlive(pid: number): boolean {
  const state = readProcessStat(pid)?.state;
  return state !== undefined && state !== "Z" && state !== "X";
}

async function makeHost(lab: Lab): Promise<HeldHost> {
  const cni = new HeldHost(lab.host(0));
  await cni.install();
  return cni;
}

describe("twill-cni, killed in an ADD after the delegate had done everything", () => {
  it("is undone where the ADD was for, and there alone, by a DEL or an ADD for another namespace", async () => {
    await using lab = await createLab({ hosts: 1, pods: 0, agentFlags: ["--ip-masq"] });
    await using cni = await makeHost(lab);
    const [container, other] = [await cni.create(), await cni.create()];
    await other.namespace.run("ip", ["link", "add", "eth0", "type", "bridge"]); // not of twill-cni
    const elsewhere = { config: CONFIG, env: { ...cni.path, CNI_NETNS: other.namespace.path } };
    for (const [command, end] of [
      ["DEL", SUCCESS],
      ["ADD", { code: 1 }], // eth0 is taken
    ] as const) {
      await cni.crash(container, { heldAt: "after", delegateGoesOn: false });
      expect(await container.namespace.run("ip", ["-o", "link"])).toContain("eth0");
      expect(await cni.call(command, container, elsewhere)).toMatchObject(end);
      expect(await container.namespace.run("ip", ["-o", "link"])).not.toContain("eth0");
      expect(await other.namespace.run("ip", ["-o", "link"])).toContain("eth0");
      expect(await cni.portsOf("cni0")).toEqual([]);
    }
  });
});

describe.each(CRASHES)("twill-cni, killed in an ADD $name", (crash) => {
  it("leaves nothing after the DEL, and nothing that the next ADD meets", async () => {
    await using lab = await createLab({ hosts: 1, pods: 0, agentFlags: ["--ip-masq"] });
    await using cni = await makeHost(lab);
    const container = await cni.create();
    await cni.crash(container, crash);
    expect(await cni.call("DEL", container, { config: CONFIG, env: cni.path })).toEqual(SUCCESS);
    expect(await cni.remembered()).toEqual([]);
    const address = addressOf(await cni.add(container, { config: CONFIG, env: cni.path }));
    expect(await cni.host.ping(address)).toMatchObject({ lost: 0 });
    expect(await cni.call("DEL", container, { config: CONFIG, env: cni.path })).toEqual(SUCCESS);
    expect(await cni.portsOf("cni0")).toEqual([]);
  });

  it("does not keep an ADD without a DEL before it from working, and no address stays taken", async () => {
    await using lab = await createLab({ hosts: 1, pods: 0, agentFlags: ["--ip-masq"] });
    await using cni = await makeHost(lab);
    const container = await cni.create();
    await cni.crash(container, crash);
    const address = addressOf(await cni.add(container, { config: CONFIG, env: cni.path }));
    expect(await cni.host.ping(address)).toMatchObject({ lost: 0 });
    expect(await cni.remembered()).toEqual([address, `net:${container.id}:eth0`]);
    expect(await cni.portsOf("cni0")).toHaveLength(1);
  });
});
