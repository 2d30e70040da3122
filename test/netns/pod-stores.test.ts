/** Pods of one name on one host, in two directories or in one that was lost: none loses its address to the other. */
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { DEBIAN_PLUGINS } from "../support/cni-host.ts";
import { createLab } from "../support/lab.ts";
import type { Lab } from "../support/lab.ts";
import { PodHost } from "../support/pod-host.ts";
import { killLeader, recordOf, startPod } from "../support/started-pod.ts";

const SLEEP = ["sleep", "3600"];
const WITH_OUR_PLUGIN = [
  "--cni-path",
  `${fileURLToPath(new URL("../../bin", import.meta.url))}:${DEBIAN_PLUGINS}`,
];

let folder: string;
let lab: Lab;
let host: PodHost;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "twill-pod-stores-"));
  lab = await createLab({ hosts: 1, pods: 0 });
  host = await PodHost.prepare(lab.host(0), folder);
});
afterEach(async () => {
  await host.pod("rm", ...WITH_OUR_PLUGIN, "web");
});
afterAll(async () => {
  await lab.down();
  rmSync(folder, { recursive: true, force: true });
});

it("has a pod of the same name in each of two directories", async () => {
  const elsewhere = ["--pods-dir", join(folder, "elsewhere")];
  const first = await startPod(host, "web", SLEEP);
  const second = await host.run("web", SLEEP, elsewhere);
  expect(second).toMatchObject({ code: 0, stderr: "" });
  expect(await host.givenAddresses()).toEqual([first.address, second.stdout.trim()].sort());

  expect(await host.pod("rm", ...elsewhere, "web")).toMatchObject({ code: 0, stdout: "", stderr: "" });
  expect(await host.givenAddresses()).toEqual([first.address]);
  expect(await host.pod("rm", "web")).toMatchObject({ code: 0, stdout: "", stderr: "" });
});

it("removes a pod that an earlier twill has made, by the id of then", async () => {
  const { record } = await startPod(host, "web", SLEEP);
  const netnsPath = `/proc/${record.process.pid}/ns/net`;
  const call = async (command: string, id: string): Promise<string> =>
    await host.host.execChecked([join(DEBIAN_PLUGINS, "bridge")], {
      env: {
        ...{ CNI_COMMAND: command, CNI_CONTAINERID: id, CNI_NETNS: netnsPath, CNI_IFNAME: "eth0" },
        CNI_PATH: DEBIAN_PLUGINS,
      },
      stdin: JSON.stringify(record.cniConfig),
    });
  const idFile = join(host.podsDirectory, "web", "container-id");
  await call("DEL", (await readFile(idFile, "utf8")).trim());
  await rm(idFile);
  const result = JSON.parse(await call("ADD", "twill-pod-web")) as { ips: { address: string }[] };
  const address = result.ips[0]?.address.split("/")[0] ?? "";
  await writeFile(host.recordFile("web"), JSON.stringify({ ...record, attachment: { address, result } }));
  expect(await host.givenAddresses()).toEqual([address]);
  expect(await host.pod("rm", "web")).toMatchObject({ code: 0, stdout: "", stderr: "" });
  expect([await host.givenAddresses(), await host.attachedDevices()]).toEqual([[], []]);
});

describe("a pod attached by twill-cni, where bridge masquerades", () => {
  const run = async (): Promise<string> => {
    const { code, stdout, stderr } = await host.run("web", SLEEP, WITH_OUR_PLUGIN);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return stdout.trim();
  };
  const remove = async (): Promise<void> =>
    expect(await host.pod("rm", ...WITH_OUR_PLUGIN, "web")).toMatchObject({ code: 0, stderr: "" });

  beforeAll(async () => {
    const addresses = { dataDir: join(folder, host.host.name, "addresses") };
    await host.writeConfig({
      ...{ cniVersion: "1.0.0", name: "pods", type: "twill-cni", subnetFile: host.host.files.subnetFile },
      ...{ dataDir: join(folder, "attachments"), ipam: addresses },
    });
  });

  it("is removed also when one of its name had ended before it was", async () => {
    const address = await run();
    await killLeader({ address, record: await recordOf(host, "web"), netns: "" });
    await remove();
    await run();
    await remove();
    expect(await host.givenAddresses()).toEqual([]);
  });

  it("keeps its address when its directory is lost, and another one of its name is made", async () => {
    const address = await run();
    const record = await recordOf(host, "web");
    await rm(host.podsDirectory, { recursive: true });
    try {
      const other = await run();
      expect(await host.givenAddresses()).toEqual([address, other].sort());
      await remove();
      expect(await host.givenAddresses()).toEqual([address]);
      expect((await host.host.exec(["ping", "-c", "1", "-w", "10", address])).code).toBe(0);
    } finally {
      await killLeader({ address, record, netns: "" });
    }
  });
});
