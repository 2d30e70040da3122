/** The plugin beside an engine of a lab, and the network that Docker makes with it. */
import { join } from "node:path";
import { PluginHost } from "../docker-plugin.ts";
import type { EngineHost } from "./engine-lab.ts";

/** Name of the network on every host. */
export const NETWORK = "overlay";
/** Arguments of `docker`, but the network's name. */
export const CREATE_NETWORK = ["network", "create", "--driver=twill", "--ipam-driver=twill"];

/** What is not as usual about a plugin. */
export interface PluginSettings {
  /** Name of the driver, which is that of the socket. */
  readonly driver?: string;
  /** Default: that of the host's agent. */
  readonly subnetFile?: string;
}

/** The plugin of a host, not started yet, at the socket where its engine looks for it. */
export async function makePlugin(
  { host, engine }: EngineHost,
  { driver = "twill", subnetFile = host.files.subnetFile }: PluginSettings = {},
): Promise<PluginHost> {
  const socket = join(engine.pluginDirectory, `${driver}.sock`);
  return await PluginHost.create(host.namespace, subnetFile, socket);
}

/** Flags with which the plugin asks the engine what it knows. */
export function askEngineFlags({ engine }: EngineHost): string[] {
  return [`--docker-socket=${engine.socket}`];
}

/** Starts the plugin of a host; it ends with the test. */
export async function startPlugin(host: EngineHost, settings: PluginSettings = {}): Promise<PluginHost> {
  const plugin = await makePlugin(host, settings);
  await plugin.start(askEngineFlags(host));
  return plugin;
}

/** `docker network create` of {@link NETWORK}. */
export async function createNetwork({ engine }: EngineHost): Promise<void> {
  await engine.docker([...CREATE_NETWORK, NETWORK]);
}
