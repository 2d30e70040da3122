/** What an engine has on its machine, a line for each thing, so that two looks show what came, what went and what stayed. */
import type { DockerEngine } from "./docker-engine.ts";

/** Kinds of things, each the first word of its lines. */
export const FOOTPRINT_KINDS: readonly string[] = [
  "container",
  "device",
  "network",
  "route",
  "rule",
  "volume",
];

/** Containers, networks and volumes, and in its network namespace devices, routes and firewall rules. */
export async function footprintOf(engine: DockerEngine): Promise<string[]> {
  const { namespace } = engine;
  const looks = await Promise.all([
    engine.docker(["ps", "--all", "--format=container {{.Names}}"]),
    engine.docker(["network", "ls", "--format=network {{.Name}}"]),
    engine.docker(["volume", "ls", "--format=volume {{.Name}}"]),
    namespace.execChecked(["ip", "-brief", "link", "show"]).then(devicesIn),
    namespace.execChecked(["ip", "-4", "route", "show", "table", "all"]).then(routesIn),
    namespace.execChecked(["nft", "--stateless", "list", "ruleset"]).then(rulesIn), // iptables' among them
  ]);
  return looks.flatMap((text) => text.split("\n").filter((line) => line !== ""));
}

/** What only one of two looks has: lines that came later as they are, those that went with "missing: " before them. */
export function footprintChange(before: readonly string[], after: readonly string[]): string[] {
  return [
    ...after.filter((line) => !before.includes(line)),
    ...before.filter((line) => !after.includes(line)).map((line) => `missing: ${line}`),
  ];
}

/** `veth1@if2  UP  ...`: whether a bridge is up depends on who uses it. */
function devicesIn(text: string): string {
  return text.replaceAll(/^([^@\s]+).*$/gm, "device $1");
}

function routesIn(text: string): string {
  return text.replaceAll(/ linkdown\b/g, "").replaceAll(/^(?=.)/gm, "route ");
}

/** Each rule in one line with its table and chain, which the listing has around it. */
function rulesIn(text: string): string {
  const around: string[] = [];
  const rules = text.split("\n").flatMap((line) => {
    const words = line.trim();
    if (words === "" || words.startsWith("#") || words === "}") return [];
    const depth = line.length - line.trimStart().length;
    around.splice(depth, Infinity, words.replace(/ \{$/, ""));
    return [`rule ${around.join(" ")}`];
  });
  return rules.join("\n");
}
