/** Holds what Dockerfile, docker-compose.yml and .env say against what the rest of the checkout is. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { AGENT_OPTION_LIST } from "../../src/agent/options/agent-options.ts";
import { parseDotenv } from "../../src/files/subnet-file.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const read = (name: string): string => readFileSync(resolve(ROOT, name), "utf8");
const [dockerfile, compose, settings] = [
  read("Dockerfile"),
  read("docker-compose.yml"),
  parseDotenv(read(".env")),
];
const manifest = JSON.parse(read("package.json")) as { version: string; license: string };

describe("Dockerfile", () => {
  it("labels the image with the version and licence of the package", () => {
    expect(dockerfile).toContain(`\nARG VERSION=${manifest.version}\n`);
    expect(dockerfile).toContain(`org.opencontainers.image.licenses="${manifest.license}"`);
  });

  it("labels each stage so that the page's command finds what builds leave without a name", () => {
    const [, name = "", value = ""] =
      /docker image prune .*--filter label=(\S+)=(\S+)/.exec(read("docs/compose.md")) ?? [];
    const stages = dockerfile.split(/^FROM .*$/m).slice(1);
    expect(stages.filter((stage) => stage.includes(`\nLABEL ${name}="${value}"`))).toHaveLength(2);
    expect(stages).toHaveLength(2);
  });

  it("starts from the base that .env names, and copies only what .dockerignore lets through", () => {
    expect(dockerfile).toContain(`\nARG BASE=${settings.get("TWILL_BASE") ?? ""}\n`);
    const allowed = read(".dockerignore")
      .split("\n")
      .filter((line) => line.startsWith("!"))
      .map((line) => line.slice(1));
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, names = ""]) =>
      names.split(" "),
    );
    expect(copied.sort()).toEqual(allowed.sort());
  });
});

describe("docker-compose.yml", () => {
  it("uses every setting of .env, and no other", () => {
    const used = new Set([...compose.matchAll(/\$\{([A-Z_]+)\}/g)].map(([, name]) => name));
    expect([...used].sort()).toEqual([...settings.keys()].sort());
  });

  it("gives the agents only variables that they know", () => {
    const known = new Set(AGENT_OPTION_LIST.map(({ variable }) => variable));
    const block = /&host-environment\n((?: {4}\S.*\n)+)/.exec(compose)?.[1] ?? "";
    const given = [...block.matchAll(/^ {4}(\w+):/gm)].map(([, name]) => name ?? "");
    expect(given).toContain("FLANNELD_ETCD_ENDPOINTS");
    expect(given.filter((name) => !known.has(name))).toEqual([]);
  });
});
