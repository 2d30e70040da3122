/** `twill docker-plugin`: Docker's network and IPAM driver for the subnet that this host has leased. */
import { Command, Option } from "commander";
import { readAgentPath } from "../agent/config.ts";
import { forgetNetwork } from "../docker/plugin/forget-network.ts";
import { pluginProcess } from "../docker/plugin/plugin-process.ts";
import { LOG_LEVELS } from "../process/logger.ts";
import type { LogLevel } from "../process/logger.ts";
import { agentPathOption } from "./agent-path-option.ts";
import { VERSION } from "./version.ts";

const NOTES = `
Run it before dockerd, on the host and not in a container of the same engine; then, once on each host:

  docker network create -d twill --ipam-driver twill NAME

Options of a network: -o bridge=NAME (default: made of the network's id), -o gateway=docker (default: Docker's own
docker_gwbridge takes containers to the world and publishes ports) or -o gateway=overlay (the host's routes do). systemd may
pass the socket as descriptor 3. See docs/docker-plugin.md.`;

interface Flags {
  readonly socket: string;
  readonly stateDir: string;
  readonly subnetFile?: string;
  readonly dockerSocket: string;
  readonly logLevel: LogLevel;
  readonly forget?: string;
}

/** The `docker-plugin` command; `out` takes what `--forget` prints. */
export function dockerPluginCommand(out: NodeJS.WritableStream): Command {
  return new Command("docker-plugin")
    .option(
      "--socket <path>",
      "unix socket on which Docker asks; its name is the driver's",
      "/run/docker/plugins/twill.sock",
    )
    .option("--state-dir <path>", "where networks, endpoints and addresses are kept", "/var/lib/twill-docker")
    .addOption(agentPathOption("subnetFile"))
    .option(
      "--docker-socket <path>",
      'API socket of the engine, asked which containers and networks are gone; "" asks nobody',
      "/run/docker.sock",
    )
    .addOption(
      new Option("--log-level <level>", "least severe log lines that are written")
        .choices(LOG_LEVELS)
        .default("info"),
    )
    .option(
      "--forget <network>",
      "free the lease of a network that Docker no longer knows, by its id, and end",
    )
    .addHelpText("after", NOTES)
    .action(async ({ forget, ...given }: Flags) => {
      const flags = { ...given, subnetFile: readAgentPath("subnetFile", given.subnetFile) };
      const dockerSocket = flags.dockerSocket === "" ? null : flags.dockerSocket;
      if (forget !== undefined) {
        const id = await forgetNetwork({ ...flags, start: forget, dockerSocket });
        out.write(`forgot network ${id}\n`);
        return;
      }
      const variables = { pid: process.env.LISTEN_PID, fds: process.env.LISTEN_FDS };
      process.exitCode = await pluginProcess({ ...flags, dockerSocket }, variables, VERSION);
    });
}
