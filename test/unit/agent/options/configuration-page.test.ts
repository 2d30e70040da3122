import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { loadAgentConfig } from "../../../../src/agent/config.ts";
import { AGENT_OPTION_LIST } from "../../../../src/agent/options/agent-options.ts";
import type { OptionDefinition } from "../../../../src/agent/options/option-kinds.ts";
import { showFallback } from "../../../../src/cli/agent.ts";
import { parseNetworkConfig } from "../../../../src/subnet-lease/network-config.ts";

const PAGE = readFileSync(resolve(import.meta.dirname, "../../../../docs/configuration.md"), "utf8");

/** The line of docs/configuration.md that describes this option. */
function rowOf(definition: OptionDefinition<unknown>): string {
  const { name, variable, range, description, isReread, isRepeatable } = definition;
  const flag = `\`--${name}\`${isRepeatable ? ", repeatable" : ""}`;
  const cells = [
    flag,
    variable === null ? "none" : `\`${variable}\``,
    showFallback(definition) === "none" ? "none" : `\`${showFallback(definition)}\``,
    range,
    isReread ? "at each new connection" : "no",
    description,
  ];
  return `| ${cells.join(" | ")} |`;
}

function rowsOf(origin: OptionDefinition<unknown>["origin"]): string[] {
  return AGENT_OPTION_LIST.filter((definition) => definition.origin === origin).map(rowOf);
}

/** The rows of the table under this heading, blanks for alignment taken out. */
function tableUnder(heading: string): string[] {
  const section = PAGE.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? "";
  const lines = section.split("\n").filter((line) => line.startsWith("|"));
  return lines.slice(2).map((line) => line.replace(/ +/g, " ").replace(/\\(?=[|_*])/g, ""));
}

describe("docs/configuration.md", () => {
  it("lists flannel's flags as they are defined", () => {
    expect(tableUnder("Flags of flannel")).toEqual(rowsOf("flannel"));
  });

  it("lists our own flags as they are defined", () => {
    expect(tableUnder("Flags of twill")).toEqual(rowsOf("twill"));
  });

  it("has an example that the agent accepts", () => {
    const example = /```ini\n([^`]*)```/.exec(PAGE)?.[1] ?? "";
    const environment = Object.fromEntries(
      [...example.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]),
    );
    const known = new Set(AGENT_OPTION_LIST.map((definition) => definition.variable));
    expect(Object.keys(environment).length).toBeGreaterThan(3);
    expect(Object.keys(environment).filter((name) => !known.has(name))).toEqual([]);
    const { unknownVariables } = loadAgentConfig(new Map(), environment);
    expect(unknownVariables).toEqual([]);
  });

  it("has a network config that passes every check", () => {
    const example = /```json\n([^`]*)```/.exec(PAGE)?.[1] ?? "";
    expect(parseNetworkConfig(example)).toMatchObject({ backendType: "udp", backendOptions: { Port: 8285 } });
  });
});
