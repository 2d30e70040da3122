/** The mark that the network plugin leaves on its devices, by which all that meet them know whose they are. */

/** What `ip link` shows of a device of ours beside its name. */
const ALIAS_START = "twill-docker";
/** Of Docker's and of our own ids; whoever is root can write anything into an alias. */
const ID = /^[\w.-]{1,64}$/;

/** Whose device it is: of which plugin, and for what. */
export interface DeviceMark {
  readonly instanceId: string;
  readonly kind: "network" | "endpoint";
  /** Of the network or the endpoint. */
  readonly id: string;
}

/** The alias that says so; not the agent's, whose `twill cleanup` must leave containers alone. */
export function formatAlias({ instanceId, kind, id }: DeviceMark): string {
  return [ALIAS_START, instanceId, kind, id].join(":");
}

/** Null for every alias that is not a plugin's. */
export function parseAlias(alias: string | null): DeviceMark | null {
  const [start, instanceId = "", kind, id = "", ...more] = (alias ?? "").split(":");
  if (start !== ALIAS_START || !ID.test(instanceId) || !ID.test(id) || more.length > 0) return null;
  return kind === "network" || kind === "endpoint" ? { instanceId, kind, id } : null;
}
