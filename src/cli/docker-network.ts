/** `twill docker-network`: a Docker network on this host's lease, without a plugin and without restarting Docker. */
import { Command } from "commander";
import { readAgentPath } from "../agent/config.ts";
import { createDockerCommand } from "../docker/network/docker-command.ts";
import { ensureDockerNetwork } from "../docker/network/ensure-docker-network.ts";
import { DEFAULT_BRIDGE } from "../docker/network/wanted-network.ts";
import { createIpCommand } from "../kernel/ip-command.ts";
import { agentPathOption } from "./agent-path-option.ts";

interface CreateOptions {
  readonly subnetFile?: string;
  readonly bridge?: string;
  readonly publishedOnly?: true;
  readonly overlayDevice?: readonly string[];
  readonly docker: string;
}

const NOTES = `
A network that is there and as it should be is left as it is, so this may run at every start. When it is another one, or
the lease has moved, the message has the commands. Remove the network with docker network rm NAME.`;

/** The `docker-network` command; `out` takes what it prints. */
export function dockerNetworkCommand(out: NodeJS.WritableStream): Command {
  const create = new Command("create")
    .description("make a bridge network on the leased subnet, if it is not there yet")
    .argument("<name>", "name of the network")
    .addOption(agentPathOption("subnetFile"))
    .option("--bridge <name>", `name of the bridge, 15 characters at most (default: "${DEFAULT_BRIDGE}")`)
    .option("--published-only", "Docker 28.2 or newer: let other hosts reach published ports only")
    .option(
      "--overlay-device <name>",
      "with --published-only: device that their packets come in by, repeatable (default: flannel0, flannel.<VNI>)",
      collect,
    )
    .option("--docker <program>", "Docker's command line program", "docker")
    .addHelpText("after", NOTES)
    .action((name: string, options: CreateOptions) => createDockerNetwork(out, name, options));
  return new Command("docker-network").helpCommand(false).addCommand(create);
}

async function createDockerNetwork(
  out: NodeJS.WritableStream,
  name: string,
  options: CreateOptions,
): Promise<void> {
  const request = {
    name,
    subnetFile: readAgentPath("subnetFile", options.subnetFile),
    bridge: options.bridge ?? null,
    isPublishedOnly: options.publishedOnly === true,
    overlayDevices: options.overlayDevice ?? [],
  };
  const { signal } = new AbortController(); // each run of docker and ip has its deadline
  const docker = createDockerCommand(options.docker);
  const sentences = await ensureDockerNetwork(request, docker, createIpCommand(), signal);
  out.write(`${sentences.join("\n")}\n`);
}

/** A value of an option that may come more than once. */
function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
