/** Pods whose records are damaged, or of an earlier twill: removed without giving an address twice. */
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { createLab } from "../support/lab.ts";
import type { Lab } from "../support/lab.ts";
import { PodHost } from "../support/pod-host.ts";
import { killLeader, pidsIn, recordOf, startPod } from "../support/started-pod.ts";
import type { StartedPod } from "../support/started-pod.ts";

let folder: string;
let lab: Lab;
let host: PodHost;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "twill-pod-records-"));
  lab = await createLab({ hosts: 1, pods: 0 });
  host = await PodHost.prepare(lab.host(0), folder);
});
afterEach(async () => {
  await host.pod("rm", "--cni-config", host.configFile, "web");
});
afterAll(async () => {
  await lab.down();
  rmSync(folder, { recursive: true, force: true });
});

describe("twill pod rm of a record of before", () => {
  async function forgetNetns(): Promise<void> {
    const { netns: _, ...old } = await recordOf(host, "web");
    await writeFile(host.recordFile("web"), JSON.stringify(old));
  }

  it("ends all in the first process's network", async () => {
    const pod = await startPod(host, "web", ["sh", "-c", "setsid sleep 3600 & exec sleep 3600"]);
    await eventually(() => expect(pidsIn(pod.netns)).toHaveLength(2));
    await forgetNetns();
    expect(await host.pod("rm", "web")).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect([pidsIn(pod.netns), await host.givenAddresses(), await host.attachedDevices()]).toEqual([
      [],
      [],
      [],
    ]);
  });

  it("takes the address from a network whose first process is gone", async () => {
    const pod = await startPod(host, "web", ["sleep", "3600"]);
    await unmark(pod);
    const held = openSync(`/proc/${pod.record.process.pid}/ns/net`, "r");
    try {
      await killLeader(pod);
      await forgetNetns();
      expect(await host.pod("rm", "web")).toMatchObject({ code: 0, stdout: "", stderr: "" });
      expect([await host.givenAddresses(), await host.attachedDevices()]).toEqual([[], []]);
    } finally {
      closeSync(held);
    }
  });

  /** As pods of then were. */
  async function unmark(pod: StartedPod): Promise<void> {
    expect((await host.exec("web", ["ip", "link", "set", "dev", "lo", "alias", ""])).code).toBe(0);
    const { interfaces } = pod.record.attachment?.result as {
      interfaces: { name: string; sandbox?: string }[];
    };
    const end = interfaces.find(({ name }) => name.startsWith("veth"))?.name ?? "";
    expect((await host.host.exec(["ip", "link", "set", "dev", end, "alias", ""])).code).toBe(0);
  }
});

describe("a pod whose record is damaged", () => {
  it("does not hide the others", async () => {
    await startPod(host, "web", ["sleep", "3600"]);
    await mkdir(join(host.podsDirectory, "zoo"));
    await writeFile(host.recordFile("zoo"), "{");
    const { stdout } = await host.pod("list");
    expect(stdout).toMatch(/^web +10\.244\.[0-9.]+ +running +[0-9]+ +sleep 3600$/m);
    expect(stdout).toContain(
      `(${host.recordFile("zoo")} is damaged: twill pod rm zoo ends what is left of it)`,
    );
    expect(await host.pod("rm", "zoo")).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect((await host.pod("list")).stdout).not.toContain("zoo");
  });

  it("is refused by name", async () => {
    await startPod(host, "web", ["sleep", "3600"]);
    await writeFile(host.recordFile("web"), "{");
    expect((await host.run("web", ["sleep", "60"])).stderr).toBe(
      `twill: Cannot run pod web: the record of an earlier one, ${host.recordFile("web")}, is damaged; twill pod rm web ends that one\n`,
    );
    expect(await host.givenAddresses()).toHaveLength(1);
  });

  it("is removed with what can still be read of it", async () => {
    const pod = await startPod(host, "web", ["sh", "-c", "setsid sleep 3600 & exec sleep 3600"]);
    await eventually(() => expect(pidsIn(pod.netns)).toHaveLength(2));
    await writeFile(
      host.recordFile("web"),
      JSON.stringify({ ...pod.record, command: "sh", process: { pid: -1 } }),
    );
    expect(await host.pod("rm", "web")).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect([pidsIn(pod.netns), await host.givenAddresses(), await host.attachedDevices()]).toEqual([
      [],
      [],
      [],
    ]);
  });

  it("ends when nothing can be read, and gives its address back when told how", async () => {
    const pod = await startPod(host, "web", ["sh", "-c", "setsid sleep 3600 & exec sleep 3600"]);
    await eventually(() => expect(pidsIn(pod.netns)).toHaveLength(2));
    await writeFile(host.recordFile("web"), "{");
    const refused = await host.pod("rm", "web");
    expect(refused.stderr).toMatch(
      /^twill: Cannot remove pod web: its record is damaged, and twill-cni did not attach it, as veth[0-9a-f]+ is still there; give --cni-config the file that twill pod run had\n$/,
    );
    expect(pidsIn(pod.netns)).toEqual([]);
    expect(await host.givenAddresses()).toEqual([pod.address]);

    expect(await host.pod("rm", "--cni-config", host.configFile, "web")).toMatchObject({
      code: 0,
      stderr: "",
    });
    expect([await host.givenAddresses(), await host.attachedDevices()]).toEqual([[], []]);
    expect((await host.pod("list")).stdout).toBe("NAME  ADDRESS  STATE  PID  COMMAND\n");
  });

  it("loses its address also where somebody holds its network unseen", async () => {
    const pod = await startPod(host, "web", ["sleep", "3600"]);
    const held = openSync(`/proc/${pod.record.process.pid}/ns/net`, "r");
    try {
      await killLeader(pod);
      await writeFile(host.recordFile("web"), "{");
      expect(await host.pod("rm", "--cni-config", host.configFile, "web")).toMatchObject({
        code: 0,
        stderr: "",
      });
      expect([await host.givenAddresses(), await host.attachedDevices()]).toEqual([[], []]);
    } finally {
      closeSync(held);
    }
  });
});
