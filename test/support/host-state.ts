/** Everything of a host's network configuration that an agent could have changed, in a form that two moments compare in. */
import type { LabHost } from "./lab.ts";

/** Handles and counters move without anybody changing a rule. */
const UNSTABLE_MEMBERS: ReadonlySet<string> = new Set(["handle", "packets", "bytes"]);
/** Between the outputs of two commands; no command prints it. */
const SEPARATOR = "=====";

/** What one command prints, and how it reads without what changes by itself. */
interface Section {
  readonly command: string;
  readonly tidy: (output: string) => string[];
}

const SECTIONS: readonly Section[] = [
  { command: "ip -o link show", tidy: (output) => linesOf(withoutIndexes(output)) },
  { command: "ip -d -o link show type vxlan", tidy: (output) => linesOf(withoutIndexes(output)) },
  { command: "ip -d -o link show type tun", tidy: (output) => linesOf(withoutIndexes(output)) },
  { command: "ip -o -4 address show", tidy: (output) => linesOf(withoutIndexes(output)) },
  { command: "ip -N -4 route show table all", tidy: (output) => linesOf(withoutMarks(output)) },
  { command: "ip -4 rule show", tidy: linesOf },
  { command: "ip -4 neigh show nud permanent", tidy: linesOf },
  { command: "bridge fdb show", tidy: vxlanEntries },
  { command: "sysctl -e --pattern '^net\\.ipv[46]\\.conf\\.flannel' -a", tidy: linesOf },
  { command: "nft -j list ruleset", tidy: rulesOf },
  { command: "iptables-save", tidy: (output) => savedRules(output) },
];

/**
 * Devices, addresses, routes and rules of every table, permanent neighbour entries, FDB entries of vxlan devices, sysctls of
 * the overlay device and the whole firewall, a line each; without indexes, handles, counters and operational states.
 */
export async function hostState(host: LabHost): Promise<string[]> {
  const script = SECTIONS.map(({ command }) => command).join(`; echo ${SEPARATOR}; `);
  const outputs = (await host.execChecked(["sh", "-c", script])).split(`${SEPARATOR}\n`);
  return SECTIONS.flatMap(({ command, tidy }, i) => [`# ${command}`, ...tidy(outputs[i] ?? "")]);
}

function linesOf(output: string): string[] {
  return output
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line !== "")
    .sort();
}

/** A device that was made again has another index; its state follows from its flags, and is noted up to a second late. */
function withoutIndexes(output: string): string {
  return output
    .replaceAll(/^[0-9]+: /gm, "")
    .replaceAll(/@if[0-9]+/g, "")
    .replaceAll(/ state [A-Z]+\b|NO-CARRIER,/g, "");
}

/** The mark of routes over a device without carrier comes and goes as late. */
function withoutMarks(output: string): string {
  return output.replaceAll(" linkdown", "");
}

/** Entries of bridges come and go with the pods' traffic. */
function vxlanEntries(output: string): string[] {
  return linesOf(output).filter((line) => line.includes(" dev flannel"));
}

function savedRules(output: string): string[] {
  return output
    .replaceAll(/ \[[0-9]+:[0-9]+\]$/gm, "")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/** Objects of nftables: those of one chain in their order, chains and tables by name, as a flush makes them come back in another. */
function rulesOf(output: string): string[] {
  const { nftables } = JSON.parse(output) as { nftables: Record<string, Record<string, unknown>>[] };
  const keyed = nftables.flatMap((entry) =>
    Object.entries(entry)
      .filter(([kind]) => kind !== "metainfo")
      .map(([kind, object]) => {
        const { family, table, chain, name } = object;
        const key = [family, table ?? name, chain ?? name, kind].map(String).join(" ");
        return { key, text: JSON.stringify({ [kind]: object }, stable) };
      }),
  );
  return keyed.sort((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key))).map(({ text }) => text);
}

function stable(member: string, value: unknown): unknown {
  return UNSTABLE_MEMBERS.has(member) ? undefined : value;
}
