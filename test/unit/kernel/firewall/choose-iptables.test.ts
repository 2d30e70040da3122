import { describe, expect, it } from "vitest";
import { chooseIptables } from "../../../../src/kernel/firewall/choose-iptables.ts";
import { parseSavedTables } from "../../../../src/kernel/firewall/iptables-plan.ts";

const EMPTY = parseSavedTables("");
const OTHERS = parseSavedTables(
  "*filter\n:FORWARD ACCEPT [0:0]\n:KUBE-FORWARD - [0:0]\n:DOCKER-2 - [0:0]\nCOMMIT\n",
);
const DOCKER = parseSavedTables("*nat\n:DOCKER - [0:0]\nCOMMIT\n");
const DOCKER_USER = parseSavedTables("*filter\n:DOCKER-USER - [0:0]\nCOMMIT\n");
const UNREADABLE = parseSavedTables("# Table `filter' is incompatible, use 'nft' tool.\n");

describe("chooseIptables", () => {
  it.each([
    ["Docker is in nft only", DOCKER_USER, EMPTY, "iptables-nft"],
    ["Docker is in legacy only", OTHERS, DOCKER, "iptables-legacy"],
    ["Docker is in legacy and nft cannot be read", UNREADABLE, DOCKER, "iptables-legacy"],
    ["Docker is in both", DOCKER, DOCKER_USER, "iptables"],
    ["Docker is in none", OTHERS, EMPTY, "iptables"],
    ["there is no nft kind", null, DOCKER, "iptables"],
    ["there is no legacy kind", DOCKER, null, "iptables"],
    ["neither has a name of its own", null, null, "iptables"],
  ])("when %s", (_what, nft, legacy, name) => {
    expect(chooseIptables({ nft, legacy })).toBe(name);
  });
});
