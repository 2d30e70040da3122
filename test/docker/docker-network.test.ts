/** A bridge network made by hand on the host's subnet: nothing to configure in dockerd, nothing to restart. */
import { itCarriesContainers } from "../support/docker/container-traffic.ts";
import type { EngineHost } from "../support/docker/engine-lab.ts";
import { describeOnEngines } from "../support/docker/engine-machine.ts";

const NETWORK = "overlay";

/** What an operator does on each host. */
async function createNetwork({ host, engine }: EngineHost): Promise<void> {
  const { subnet, gateway, overlayMtu } = await host.subnetFile();
  await engine.docker([
    ...["network", "create", "--driver=bridge"],
    `--subnet=${subnet.toString()}`,
    `--gateway=${gateway.toString()}`,
    `--opt=com.docker.network.driver.mtu=${overlayMtu}`,
    "--opt=com.docker.network.bridge.enable_ip_masquerade=false",
    NETWORK,
  ]);
}

describeOnEngines("docker network create with the subnet file's values", () => {
  itCarriesContainers({
    engineFlags: () => [],
    run: async (host, name) => {
      await createNetwork(host);
      return await host.engine.run(name, { network: NETWORK });
    },
  });
});
