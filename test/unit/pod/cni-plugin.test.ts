/** Plugins as programs of the test: what becomes of the pod's command when they fail or hang. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { identifyProcess, isRunning } from "../../../src/files/process-identity.ts";
import { addToNetwork, deleteFromNetwork } from "../../../src/pod/cni-plugin.ts";
import type { CniTarget } from "../../../src/pod/cni-plugin.ts";
import { eventually } from "../../support/eventually.ts";

/** For a plugin that hangs, and for it to start another before. */
const DEADLINE_MS = 2_000;
const HASTY_TWILL_CNI = join(import.meta.dirname, "../../support/hasty-twill-cni.ts");
const SUBNET_FILE = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1450\n";
const RESULT = { cniVersion: "1.0.0", ips: [{ address: "10.244.7.2/24" }] };

let directory: string;
let target: CniTarget;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "twill-pod-cni-"));
  target = {
    containerId: "pod-web",
    netnsPath: "/proc/1/ns/net",
    plugins: { path: [join(directory, "no"), directory], environment: { PATH: process.env.PATH } },
  };
});
afterEach(() => rmSync(directory, { recursive: true }));

function makePlugin(type: string, script: string): void {
  writeFileSync(join(directory, type), `#!/bin/sh\n${script}\n`);
  chmodSync(join(directory, type), 0o755);
}

function config(type: string): { cniVersion: string; name: string; type: string } {
  return { cniVersion: "1.0.0", name: "pods", type };
}

/** In a script: notes the pid of the shell that runs it. */
function notePid(): string {
  return `echo $$ >>"${directory}/pids"`;
}

/** Waits until so many processes have noted themselves, and tells which of them are still there. */
async function noted(count: number): Promise<() => boolean[]> {
  const identities = await eventually(() => {
    const pids = readFileSync(join(directory, "pids"), "utf8").split("\n").slice(0, -1);
    return pids.length === count && pids.map((pid) => identifyProcess(Number(pid)));
  });
  return () => identities.map((one) => one !== null && isRunning(one));
}

describe("addToNetwork", () => {
  it("tells the plugin of the pod and gives its result", async () => {
    const told = ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"];
    const note = `{ cat; printf ' %s' ${told.map((name) => `"$${name}"`).join(" ")}; } >"${directory}/told"`;
    makePlugin("any", `${note}\necho '${JSON.stringify(RESULT)}'`);
    expect(await addToNetwork(config("any"), target)).toEqual(RESULT);
    expect(readFileSync(join(directory, "told"), "utf8")).toBe(
      `${JSON.stringify(config("any"))} ADD pod-web /proc/1/ns/net eth0 ${directory}/no:${directory}`,
    );
  });

  it("gives the plugin the variables of this host, and none of them for one of the pod's", async () => {
    makePlugin("any", `echo "{\\"said\\":\\"$CNI_COMMAND $CNI_ARGS $PATH\\"}"`);
    const environment = { CNI_COMMAND: "DEL", CNI_ARGS: "IgnoreUnknown=1", PATH: "/bin:/absent" };
    const plugins = { ...target.plugins, environment };
    expect(await addToNetwork(config("any"), { ...target, plugins })).toEqual({
      said: "ADD IgnoreUnknown=1 /bin:/absent",
    });
  });

  it.each([
    [`echo '{"code":11,"msg":"no lease yet"}'; echo noise >&2; exit 1`, "no lease yet (CNI error 11)"],
    ["echo noise >&2; exit 3", "exit status 3: noise"],
    ["exit 3", "exit status 3"],
    ["kill -9 $$", "killed by SIGKILL"],
  ])("says why it failed (%s)", async (script, reason) => {
    makePlugin("any", script);
    await expect(addToNetwork(config("any"), target)).rejects.toMatchObject({
      code: "ERR_POD_FAILED",
      message: `the CNI plugin any failed to ADD: ${reason}`,
    });
  });

  it("says where a plugin is missing", async () => {
    await expect(addToNetwork(config("any"), target)).rejects.toThrow(
      `there is no CNI plugin any in ${directory}/no:${directory}; install it there, or give --cni-path`,
    );
  });

  it("ends a plugin that hangs, and what that waits for", async () => {
    makePlugin("helper", `${notePid()}\nsleep 3600`);
    makePlugin("any", `${notePid()}\necho waiting >&2\n"${directory}/helper"`);
    const adding = addToNetwork(config("any"), target, DEADLINE_MS);
    const [areRunning] = await Promise.all([
      noted(2),
      expect(adding).rejects.toThrow(
        "the CNI plugin any failed to ADD: no end within 2 s, killed with all that it had started: waiting",
      ),
    ]);
    await eventually(() => expect(areRunning()).toEqual([false, false]));
  });

  it("leaves twill-cni the time to end a delegate that hangs, and that one's helper", async () => {
    const node = `"${process.execPath}" --disable-warning=ExperimentalWarning`;
    makePlugin("twill-cni", `exec ${node} "${HASTY_TWILL_CNI}" ${DEADLINE_MS}`);
    makePlugin("host-local", `${notePid()}\nsleep 3600`);
    makePlugin("bridge", `${notePid()}\n"${directory}/host-local"`);
    writeFileSync(join(directory, "subnet.env"), SUBNET_FILE);
    const files = { subnetFile: join(directory, "subnet.env"), dataDir: join(directory, "data") };
    const adding = addToNetwork({ ...config("twill-cni"), ...files }, target);
    const [areRunning] = await Promise.all([
      noted(2),
      expect(adding).rejects.toThrow(
        "the CNI plugin twill-cni failed to ADD: Cannot attach the container: bridge: no end within 2 s, killed with all that it had started; see what it logged (CNI error 100)",
      ),
    ]);
    await eventually(() => expect(areRunning()).toEqual([false, false]));
  });
});

describe("deleteFromNetwork", () => {
  it("gives the plugin back what its ADD gave", async () => {
    makePlugin("any", `cat >"${directory}/told-$CNI_COMMAND"`);
    await deleteFromNetwork(config("any"), target, RESULT);
    const told = JSON.parse(readFileSync(join(directory, "told-DEL"), "utf8")) as unknown;
    expect(told).toEqual({ ...config("any"), prevResult: RESULT });
    await deleteFromNetwork(config("any"), target, null);
    expect(JSON.parse(readFileSync(join(directory, "told-DEL"), "utf8"))).toEqual(config("any"));
  });

  it("ends a plugin that hangs", async () => {
    makePlugin("any", "sleep 3600");
    await expect(deleteFromNetwork(config("any"), target, null, 200)).rejects.toThrow(
      "the CNI plugin any failed to DEL: no end within 0.2 s",
    );
  });
});
