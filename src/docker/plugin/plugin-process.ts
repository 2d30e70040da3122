/** `twill docker-plugin` as a process, in the order in which it starts. */
import type { Server } from "node:http";
import { basename, join } from "node:path";
import type { Logger } from "pino";
import { acquireFileLock } from "../../files/file-lock.ts";
import { createIpCommand } from "../../kernel/ip-command.ts";
import { closeAll } from "../../process/close-all.ts";
import type { Closable } from "../../process/close-all.ts";
import { createLogger } from "../../process/logger.ts";
import type { LogLevel } from "../../process/logger.ts";
import { runToEnd } from "../../process/run-to-end.ts";
import { LostSearch } from "./engine/lost-search.ts";
import { HostLinks } from "./links/host-links.ts";
import { announceInstance } from "./links/running-instances.ts";
import { DockerPlugin } from "./plugin.ts";
import { RepairLoop } from "./repair-loop.ts";
import { listenOnPassed, listenOnPath, passedSocket } from "./server/listen.ts";
import type { ListenVariables } from "./server/listen.ts";
import { createPluginServer } from "./server/plugin-server.ts";
import { StateStore } from "./state/state-store.ts";

/** Of one run. Below a request's: the first that hangs is named in its answer. */
const IP_DEADLINE_MS = 1500;

export interface PluginOptions {
  readonly socket: string;
  readonly stateDir: string;
  readonly subnetFile: string;
  /** Of the engine's API; null: it is not asked. */
  readonly dockerSocket: string | null;
  readonly logLevel: LogLevel;
}

/** Runs the plugin to its end and resolves with the exit status. Errors are logged. */
export async function pluginProcess(
  options: PluginOptions,
  variables: ListenVariables,
  version: string,
): Promise<number> {
  const log = createLogger(options.logLevel);
  const facts = { version, ...options };
  return await runToEnd(log, { options: facts, failure: "Cannot run the Docker plugin" }, (signal) =>
    runPlugin(options, variables, log, signal),
  );
}

/** Bridges and containers stay when it ends: they work without us. */
async function runPlugin(
  options: PluginOptions,
  variables: ListenVariables,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const opened: Closable[] = [];
  try {
    const lock = acquireFileLock(join(options.stateDir, "lock"), "--state-dir", {
      stateDir: options.stateDir,
    });
    opened.push({ close: () => lock.release() });
    const store = await StateStore.open(options.stateDir);
    opened.push(await announceInstance(store.state.instanceId, log));
    const plugin = new DockerPlugin({
      store,
      links: new HostLinks(createIpCommand({ program: "ip", deadlineMs: IP_DEADLINE_MS }), log),
      subnetFile: options.subnetFile,
      driverName: basename(options.socket, ".sock"),
      log,
      onNetworks: () => repairs.doubt(),
    });
    const repairs = new RepairLoop(plugin, log);
    opened.push(repairs);
    const settled = plugin.start().then(() => repairs.start()); // has the first turn; Docker hears more than silence meanwhile
    opened.push(await serve(plugin, options, variables, log));
    await settled;
    if (options.dockerSocket !== null) opened.push(startSearch(plugin, options.dockerSocket, log));
    await aborted(signal);
  } finally {
    await closeAll(opened.reverse(), log);
  }
}

function startSearch(plugin: DockerPlugin, socketPath: string, log: Logger): Closable {
  const search = new LostSearch({
    socketPath,
    readState: () => plugin.state,
    free: (lost) => plugin.forget(lost),
    log,
  });
  search.start();
  return search;
}

async function serve(
  plugin: DockerPlugin,
  { socket }: PluginOptions,
  variables: ListenVariables,
  log: Logger,
): Promise<Closable> {
  const server = createPluginServer(plugin, log);
  const fd = passedSocket(variables, process.pid);
  await (fd === null ? listenOnPath(server, socket) : listenOnPassed(server, fd));
  server.on("error", (err) => log.error({ err }, "Cannot take a connection"));
  log.info({ socket: fd === null ? socket : `passed as descriptor ${fd}` }, "Ready");
  return { close: () => closeServer(server, plugin) };
}

/** What is under way is answered first: Docker may not repeat it well. */
async function closeServer(server: Server, plugin: DockerPlugin): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  await plugin.idle();
  server.closeIdleConnections();
  await closed;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
