/** An agent that knows etcd by name, on a host whose name server never answers. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createLab } from "../support/lab.ts";

const TWILL = fileURLToPath(new URL("../../bin/twill", import.meta.url));
/** Gives the program files of its own: the file system is the machine's. */
const WITH_NAMES = 'mount --bind "$1" /etc/resolv.conf; mount --bind "$2" /etc/hosts; shift 2; exec "$@"';
const READY_WITHIN_MS = 15_000;

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), "twill-names-"))));
afterAll(() => rmSync(folder, { recursive: true }));

it("stops as fast as any: no query about the name is left that holds it", async () => {
  const [resolver, hosts] = [join(folder, "resolv.conf"), join(folder, "hosts")];
  writeFileSync(resolver, "nameserver 192.0.2.99\n"); // nobody has that address
  writeFileSync(hosts, "192.0.2.254 etcd.example\n");
  await using lab = await createLab({ hosts: 1 });
  const host = lab.host(0);
  await host.agent.stop();

  const program = ["unshare", "--mount", "sh", "-ec", WITH_NAMES, "sh", resolver, hosts, TWILL];
  const agent = await host.startAgent(["--etcd-endpoints=http://etcd.example:2379"], { program });
  await agent.waitReady(READY_WITHIN_MS);
  expect(await agent.stop()).toEqual({ code: 0, signal: null });
  const { length } = (await agent.logLines()).filter((line) => line.includes("Not waiting for what"));
  expect(length).toBe(0);
});
