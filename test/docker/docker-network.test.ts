/** A bridge network on the host's subnet: nothing to configure in dockerd, nothing to restart. */
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { itCarriesContainers } from "../support/docker/container-traffic.ts";
import type { EngineHost } from "../support/docker/engine-lab.ts";
import { describeOnEngines } from "../support/docker/engine-machine.ts";

const TWILL = fileURLToPath(new URL("../../bin/twill", import.meta.url));
const NETWORK = "overlay";

/** What an operator runs on each host, at every start. */
async function createNetwork({ host, engine }: EngineHost): Promise<string> {
  const argv = [TWILL, "docker-network", "create", NETWORK, `--subnet-file=${host.files.subnetFile}`];
  return await host.execChecked(argv, { env: engine.clientEnvironment });
}

async function inspectNetwork({ engine }: EngineHost): Promise<unknown> {
  return JSON.parse(await engine.docker(["network", "inspect", NETWORK]));
}

describeOnEngines("twill docker-network create", () => {
  itCarriesContainers({
    engineFlags: () => [],
    run: async (host, name) => {
      await createNetwork(host);
      const made = await inspectNetwork(host);
      await createNetwork(host);
      expect(await inspectNetwork(host)).toEqual(made); // the second run has left it as it was
      return await host.engine.run(name, { network: NETWORK });
    },
  });
});
