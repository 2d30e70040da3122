import { describe, expect, it } from "vitest";
import { parseContainerList } from "../../../../src/names/engine/container-list.ts";
import { nameContainers } from "../../../../src/names/engine/container-names.ts";
import type { ContainerNames } from "../../../../src/names/engine/container-names.ts";
import { Ipv4Address } from "../../../../src/net/ipv4.ts";
import { prefixOf } from "../../../support/ipv4.ts";

const SUBNET = prefixOf("10.244.5.0/24");

interface Container {
  readonly names: readonly string[];
  readonly addresses: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

/** As Docker 20.10 answers, without what is not read. */
function answer(containers: readonly Container[]): string {
  return JSON.stringify(
    containers.map(({ names, addresses, labels = {} }) => ({
      Names: names,
      Labels: labels,
      State: "running",
      NetworkSettings: {
        Networks: Object.fromEntries(
          addresses.map((IPAddress, i) => [
            `net${i}`,
            { IPAddress, EndpointID: `endpoint-${IPAddress}`, Aliases: null },
          ]),
        ),
      },
    })),
  );
}

type Aliases = Readonly<Record<string, readonly string[]>>;

function nameAll(text: string, aliases: Aliases = {}): ContainerNames {
  return nameContainers(parseContainerList(text, SUBNET), new Map(Object.entries(aliases)));
}

function read(text: string, aliases: Aliases = {}): Record<string, string[]> {
  const { names } = nameAll(text, aliases);
  return Object.fromEntries([...names.addresses].map(([name, addresses]) => [name, addresses.map(String)]));
}

const compose = (service: string, project: string, more = {}): Record<string, string> => ({
  "com.docker.compose.service": service,
  "com.docker.compose.project": project,
  ...more,
});

describe("nameContainers", () => {
  it("names a container in lower case, by its addresses of the subnet only", () => {
    const addresses = ["172.17.0.2", "10.244.5.2", "10.244.6.2", ""];
    expect(read(answer([{ names: ["/Web"], addresses }]))).toEqual({ web: ["10.244.5.2"] });
  });

  it("names no container that has no address there, as with --network=host", () => {
    expect(read(answer([{ names: ["/web"], addresses: [""] }]))).toEqual({});
  });

  it("does not take the names that links give", () => {
    expect(read(answer([{ names: ["/db", "/web/database"], addresses: ["10.244.5.2"] }]))).toEqual({
      db: ["10.244.5.2"],
    });
  });

  it("gives a service of compose the addresses of all its containers", () => {
    const containers = [2, 3].map((i) => ({
      names: [`/shop_web_${i}`],
      addresses: [`10.244.5.${i}`],
      labels: compose("web", "shop", { "com.docker.compose.oneoff": "False" }),
    }));
    expect(read(answer(containers))).toEqual({
      shop_web_2: ["10.244.5.2"],
      shop_web_3: ["10.244.5.3"],
      web: ["10.244.5.2", "10.244.5.3"],
      "web.shop": ["10.244.5.2", "10.244.5.3"],
    });
  });

  it("says which container an address is of: its own name, whatever else is called by it", () => {
    const labels = compose("aaa", "shop");
    const containers = [
      { names: ["/shop_web_1", "/other/web"], addresses: ["10.244.5.2", "172.17.0.2"], labels },
      { names: ["/Cache"], addresses: ["10.244.5.3", "10.244.5.4"] },
      { names: ["/no-name-"], addresses: ["10.244.5.5"], labels },
      { names: ["/late"], addresses: ["10.244.5.2"] },
    ];
    const { owners } = nameAll(answer(containers)).names;
    expect([...owners].map(([value, owner]) => [new Ipv4Address(value).toString(), owner])).toEqual([
      ["10.244.5.2", "shop_web_1"],
      ["10.244.5.3", "cache"],
      ["10.244.5.4", "cache"],
    ]);
  });

  it("calls a container by its aliases in a network, with the address that it has there", () => {
    const containers = [
      { names: ["/web"], addresses: ["10.244.5.2", "10.244.5.3", "172.17.0.2"] },
      { names: ["/cache"], addresses: ["10.244.5.4"] },
    ];
    const aliases = {
      "endpoint-10.244.5.2": ["Shop.One", "shared"],
      "endpoint-10.244.5.4": ["shared", "web"],
      "endpoint-172.17.0.2": ["elsewhere"],
    };
    expect(read(answer(containers), aliases)).toEqual({
      web: ["10.244.5.2", "10.244.5.3", "10.244.5.4"],
      cache: ["10.244.5.4"],
      "shop.one": ["10.244.5.2"],
      shared: ["10.244.5.2", "10.244.5.4"],
    });
    const { owners } = nameAll(answer(containers), aliases).names;
    expect([...owners.values()]).toEqual(["web", "web", "cache"]); // no alias
  });

  it("tells which aliases the DNS cannot say", () => {
    const { skipped } = nameAll(answer([{ names: ["/web"], addresses: ["10.244.5.2"] }]), {
      "endpoint-10.244.5.2": ["we b", "ok"],
    });
    expect(skipped).toEqual(["we b"]);
  });

  it("does not take a container of docker-compose run for one of the service", () => {
    const labels = compose("web", "shop", { "com.docker.compose.oneoff": "True" });
    const names = ["/shop_web_run_1"];
    expect(read(answer([{ names, addresses: ["10.244.5.2"], labels }]))).toEqual({
      shop_web_run_1: ["10.244.5.2"],
    });
  });

  it("tells which names the DNS cannot say, of containers that it would name", () => {
    const labels = compose("we b", "shop");
    const containers = [
      { names: ["/web-"], addresses: ["10.244.5.2"], labels },
      { names: ["/other-"], addresses: ["172.17.0.2"] },
    ];
    const { names, skipped } = nameAll(answer(containers));
    expect([names.addresses.size, names.owners.size]).toEqual([0, 0]);
    expect(skipped).toEqual(["web-", "we b", "we b.shop"]);
  });
});
