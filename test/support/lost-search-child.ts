/**
 * The Docker plugin as a process whose search for lost endpoints looks when the test says so over IPC, and not minutes later:
 *
 *   lost-search-child.ts STATE_DIR SOCKET SUBNET_FILE DOCKER_SOCKET
 */
import { pino } from "pino";
import { LostSearch } from "../../src/docker/plugin/engine/lost-search.ts";
import { HostLinks } from "../../src/docker/plugin/links/host-links.ts";
import { DockerPlugin } from "../../src/docker/plugin/plugin.ts";
import { listenOnPath } from "../../src/docker/plugin/server/listen.ts";
import { createPluginServer } from "../../src/docker/plugin/server/plugin-server.ts";
import { StateStore } from "../../src/docker/plugin/state/state-store.ts";
import { createIpCommand } from "../../src/kernel/ip-command.ts";

const [stateDir = "", socket = "", subnetFile = "", dockerSocket = ""] = process.argv.slice(2);
const log = pino({ level: "warn" });
const plugin = new DockerPlugin({
  store: await StateStore.open(stateDir),
  links: new HostLinks(createIpCommand(), log),
  subnetFile,
  driverName: "twill",
  log,
  onNetworks: () => undefined,
});
await listenOnPath(createPluginServer(plugin, log), socket);
const search = new LostSearch({
  socketPath: dockerSocket,
  readState: () => plugin.state,
  free: (lost) => plugin.forget(lost),
  log,
});
process.on("message", () => {
  void search.look().then(() => process.send?.("looked"));
});
process.send?.("ready");
