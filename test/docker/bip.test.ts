/** Docker's own bridge on the host's subnet: `dockerd --bip`, as flannel's users have it. */
import { itCarriesContainers } from "../support/docker/container-traffic.ts";
import { describeOnEngines } from "../support/docker/engine-machine.ts";

const WAYS = [
  { name: "udp", type: "udp", agentFlags: [] },
  { name: "vxlan kernel", type: "vxlan", agentFlags: ["--datapath=kernel"] },
];

describeOnEngines.each(WAYS)("dockerd --bip with the subnet file's values, $name", ({ type, agentFlags }) => {
  itCarriesContainers({
    networkConfig: { Backend: { Type: type } },
    agentFlags,
    run: ({ engine }, name) => engine.run(name),
  });
});
