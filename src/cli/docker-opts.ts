/** `twill docker-opts`: flannel's mk-docker-opts.sh, with its options, its output and its exit statuses. */
import { Command } from "commander";
import { readAgentPath } from "../agent/config.ts";
import { AGENT_OPTIONS } from "../agent/options/agent-options.ts";
import { checkDockerBridge } from "../docker/opts/check-docker-bridge.ts";
import {
  DEFAULT_COMBINED_NAME,
  DEFAULT_DOCKER_OPTS_FILE,
  readDockerOptsRequest,
} from "../docker/opts/docker-opts-request.ts";
import {
  makeDockerOpts,
  readDevicesIfAny,
  readHostRoutes,
  readIfFile,
} from "../docker/opts/make-docker-opts.ts";
import { createIpCommand } from "../kernel/ip-command.ts";

/** The script's status for everything that is wrong, also with its arguments and for `-h`. */
const EXIT_REFUSED = 1;

const NOTES = `
Without -i and -c it writes both. Variables of the environment with DOCKER_OPT_ in their names are written too, and
what the combined variable holds already stays in front. Exit status 1: bad arguments (also -h), FLANNEL_IPMASQ
neither true nor false, or, with the file written, a route that leads the subnet elsewhere or another device that is on
it; with --check, a mismatch.`;

/** The `docker-opts` command; it reads `args` itself, as getopts does. `out` takes what `--check` prints. */
export function dockerOptsCommand(out: NodeJS.WritableStream, args: readonly string[]): Command {
  const { fallback, variable } = AGENT_OPTIONS.subnetFile;
  const command = new Command("docker-opts")
    .usage("[-f FILE] [-d FILE] [-i] [-c] [-m] [-k NAME] [--require-lease] [--check]")
    .helpOption("--help", "print help, with status 0")
    .option("-f <file>", `subnet file, left out when it is not there (${fallback}, ${variable ?? "none"})`)
    .option("-d <file>", `file to write (${DEFAULT_DOCKER_OPTS_FILE})`)
    .option("-i", "a variable for each option: DOCKER_OPT_BIP, DOCKER_OPT_IPMASQ, DOCKER_OPT_MTU")
    .option("-c", "one variable with all of them")
    .option("-m", "leave out --ip-masq")
    .option("-k <name>", `name of the variable with all of them (${DEFAULT_COMBINED_NAME})`)
    .option("--require-lease", "fail when there is no subnet file, and write nothing")
    .option("--check", "write nothing; fail when docker0 is not on the leased subnet, or not alone")
    .addHelpText("after", NOTES);
  return command.action(() => dockerOpts(command, out, args));
}

async function dockerOpts(
  command: Command,
  out: NodeJS.WritableStream,
  args: readonly string[],
): Promise<void> {
  const tell = (line: string): void => command.configureOutput().writeErr?.(`twill: ${line}\n`);
  const request = readDockerOptsRequest(args, readAgentPath("subnetFile", undefined));
  if ("problem" in request) {
    if (request.problem !== null) tell(request.problem);
    command.outputHelp({ error: true });
    process.exitCode = EXIT_REFUSED;
    return;
  }
  const { signal } = new AbortController(); // nothing here takes long
  if (request.isCheck) {
    out.write(`${await checkDockerBridge(request.subnetFile, createIpCommand(), signal)}\n`);
    return;
  }
  const host = { readText: readIfFile, readRoutes: readHostRoutes, readDevices: readDevicesIfAny };
  await makeDockerOpts(request, { environment: process.env, ...host, tell }, signal);
}
