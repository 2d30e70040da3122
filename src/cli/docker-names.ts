/** `twill docker-names`: names of containers, across Docker engines. */
import { Command, Option } from "commander";
import { loadAgentConfig } from "../agent/config.ts";
import { AGENT_OPTIONS } from "../agent/options/agent-options.ts";
import { usageError } from "../agent/options/usage-error.ts";
import { hardenProcess } from "../agent/process/harden-process.ts";
import { systemClock } from "../agent/process/system-clock.ts";
import { readEtcdOptions } from "../agent/start/read-etcd-options.ts";
import { parseZone } from "../names/dns-name.ts";
import { namesProcess } from "../names/names-process.ts";
import { Ipv4Address } from "../net/ipv4.ts";
import { showUntrusted } from "../net/untrusted-text.ts";
import { toCommanderOption } from "./agent.ts";
import { VERSION } from "./version.ts";

/** Takes the place of the command line in the process list, where everyone could read a password. */
const PROCESS_TITLE = "twill docker-names";
const DNS_PORT = 53;
const MAX_PORT = 65_535;
/** etcd makes a shorter time to live longer, and a record that is renewed every second is a burden. */
const TTL_RANGE = { min: 5, max: 3600 };

/** The agent's options that it shares, read as the agent reads them, flags and variables. */
const SHARED_OPTIONS = [
  AGENT_OPTIONS.etcdEndpoints,
  AGENT_OPTIONS.etcdPrefix,
  AGENT_OPTIONS.etcdKeyfile,
  AGENT_OPTIONS.etcdCertfile,
  AGENT_OPTIONS.etcdCafile,
  AGENT_OPTIONS.etcdUsername,
  AGENT_OPTIONS.etcdPassword,
  AGENT_OPTIONS.etcdPasswordFile,
  AGENT_OPTIONS.subnetFile,
  AGENT_OPTIONS.logLevel,
];

const NOTES = `
Run it on each host, beside the agent. A container that asks the gateway of its subnet, for instance one of

  docker run --dns GATEWAY --dns YOUR_RESOLVER --dns-search twill ...

finds the containers of every host by their names. See docs/docker.md, "Names".`;

interface Flags {
  readonly dockerSocket: string;
  readonly zone: string;
  readonly listen: { readonly listenIp: Ipv4Address | null; readonly listenPort: number };
  readonly ttl: number;
}

/** The `docker-names` command. */
export function dockerNamesCommand(): Command {
  const texts = new Map<string, string[]>();
  const command = new Command("docker-names")
    .option("--docker-socket <path>", "API socket of the engine", "/run/docker.sock")
    .addOption(new Option("--zone <name>", "what the names end in").argParser(readZone).default("twill"))
    .addOption(
      new Option(
        "--listen <address>",
        "address to answer on, with :PORT if it is not 53; without it the subnet's gateway",
      )
        .argParser(readListen)
        .default({ listenIp: null, listenPort: DNS_PORT }, "gateway"),
    )
    .addOption(
      new Option("--ttl <seconds>", "after a sudden end of this process its names are gone within this time")
        .argParser(readTtl)
        .default(60),
    );
  for (const definition of SHARED_OPTIONS) command.addOption(toCommanderOption(definition, texts));
  return command.addHelpText("after", NOTES).action(async ({ dockerSocket, zone, listen, ttl }: Flags) => {
    const { options } = loadAgentConfig(texts);
    process.title = PROCESS_TITLE;
    hardenProcess();
    const { subnetFile, etcdPrefix, logLevel } = options;
    const own = { dockerSocket, zone, ...listen, ttlSeconds: ttl, subnetFile, etcdPrefix, logLevel };
    const etcd = await readEtcdOptions(options);
    const deps = { etcd, clock: systemClock, random: Math.random.bind(Math) };
    process.exitCode = await namesProcess(own, deps, VERSION);
  });
}

function readZone(text: string): string {
  const zone = parseZone(text);
  if (zone !== null) return zone;
  throw usageError(
    `Cannot use --zone: ${showUntrusted(text)} is not a name of at most 63 letters, digits, hyphens and dots`,
  );
}

function readListen(text: string): Flags["listen"] {
  const [ip = "", port = `${DNS_PORT}`, ...rest] = text.split(":");
  const listenIp = Ipv4Address.parse(ip);
  const listenPort = /^[1-9][0-9]{0,4}$/.test(port) ? Number(port) : MAX_PORT + 1;
  const isUsable = listenIp !== null && (listenIp.isUnicast || listenIp.isLoopback);
  if (isUsable && listenPort <= MAX_PORT && rest.length === 0) return { listenIp, listenPort };
  throw usageError(
    `Cannot use --listen: ${showUntrusted(text)} is not an address of this host, or ADDRESS:PORT`,
  );
}

function readTtl(text: string): number {
  const ttl = /^[0-9]{1,5}$/.test(text) ? Number(text) : NaN;
  if (ttl >= TTL_RANGE.min && ttl <= TTL_RANGE.max) return ttl;
  const { min, max } = TTL_RANGE;
  throw usageError(`Cannot use --ttl: ${showUntrusted(text)} is not ${min} to ${max} seconds`);
}
