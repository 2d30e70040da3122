import type { LabHost } from "./lab.ts";

/** What the bridge of the pods goes through by itself. */
const OPERATIONAL_STATE = / state (UP|DOWN|UNKNOWN)\b/g;

/** What a failed start must leave as it was: devices, addresses, routes of a host, without counters and times. */
export async function networkState(host: LabHost): Promise<string> {
  const commands = [
    ["ip", "-o", "link", "show"],
    ["ip", "-o", "addr", "show"],
    ["ip", "route", "show", "table", "all"],
  ];
  const shown = await Promise.all(commands.map((argv) => host.execChecked(argv)));
  return shown.join("\n").replaceAll(OPERATIONAL_STATE, "");
}
