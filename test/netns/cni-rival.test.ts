/** An ADD beside another device on the lease, on a host whose /sys shows its own devices. */
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { runCommand } from "../../src/lab/machine/run-command.ts";
import { DEBIAN_PLUGINS } from "../support/cni-host.ts";
import { LeasedFolder } from "../support/leased-folder.ts";
import { NetworkNamespace } from "../support/network-namespace.ts";

const TWILL_CNI = fileURLToPath(new URL("../../bin/twill-cni", import.meta.url));
/** The namespace is entered after the machine's /sys was mounted, which shows the machine's devices. */
const WITH_SYS = ["unshare", "--mount", "sh", "-ec", 'mount -t sysfs none /sys; exec "$@"', "sh"];

const RIVALS: [type: string, removal: string][] = [
  ["veth", "take the route away: ip route delete 10.244.7.0/24 dev up0"],
  [
    "bridge",
    "remove its network where Docker has one (docker network rm), or once no container needs it: ip link delete dev up0",
  ],
];
it.each(RIVALS)("names what takes a %s off the lease, and leaves it there", async (type, removal) => {
  await using host = await NetworkNamespace.create();
  await using container = await NetworkNamespace.create();
  await using folder = await LeasedFolder.create();
  await host.run("ip", ["link", "add", "up0", "type", type]);
  await host.run("ip", ["address", "add", "10.244.7.1/24", "dev", "up0"]);
  await host.run("ip", ["link", "set", "up0", "up"]);
  const devices = await host.run("ip", ["-o", "link"]);

  const { directory, subnetFile } = folder;
  const config = { cniVersion: "1.0.0", name: "net", type: "twill-cni", subnetFile, dataDir: directory };
  const { code, stdout } = await runCommand(host.command([...WITH_SYS, TWILL_CNI]).flat(), {
    env: {
      CNI_COMMAND: "ADD",
      CNI_CONTAINERID: "c1",
      CNI_NETNS: container.path,
      CNI_IFNAME: "eth0",
      CNI_PATH: DEBIAN_PLUGINS,
    },
    stdin: JSON.stringify({ ...config, ipam: { dataDir: directory } }),
  });
  const msg = `Cannot attach the container: device up0 has the route to this host's lease 10.244.7.0/24, which carries one network; ${removal}`;
  expect([code, JSON.parse(stdout)]).toEqual([1, { cniVersion: "1.0.0", code: 100, msg }]);
  expect(await host.run("ip", ["-o", "link"])).toBe(devices);
});
