import { describe, expect, it } from "vitest";
import { parseContainerList } from "../../../../src/names/engine/container-list.ts";
import { prefixOf } from "../../../support/ipv4.ts";

const SUBNET = prefixOf("10.244.5.0/24");

describe("parseContainerList", () => {
  it("has of each container in the subnet its names as they are, and its endpoints there", () => {
    const networks = {
      overlay: { EndpointID: "717483362aa6", IPAddress: "10.244.5.2" },
      other: { EndpointID: "c381bcc7c577", IPAddress: "172.17.0.2" },
    };
    const labels = { "com.docker.compose.service": "web", "com.docker.compose.project": "Shop" };
    const list = [
      {
        Id: "3bd7",
        Names: ["/Shop_web_1", "/db/link"],
        Labels: labels,
        NetworkSettings: { Networks: networks },
      },
      { Id: "5767", Names: ["/away"], NetworkSettings: { Networks: { other: networks.other } } },
    ];
    const containers = parseContainerList(JSON.stringify(list), SUBNET);
    expect(JSON.parse(JSON.stringify(containers))).toEqual([
      {
        id: "3bd7",
        ownNames: ["Shop_web_1"],
        serviceNames: ["web", "web.Shop"],
        endpoints: [{ id: "717483362aa6", address: "10.244.5.2" }],
      },
    ]);
  });

  it.each(["", "{}", "null", '"x"', "<html>"])("refuses the answer %j", (text) => {
    expect(() => parseContainerList(text, SUBNET)).toThrow(/no JSON list/);
  });

  it.each([
    "[null]",
    '[{"Names":"/web"}]',
    '[{"Names":[1],"Id":7,"NetworkSettings":{"Networks":{"n":{"IPAddress":"10.244.5.2"}}}}]',
    '[{"Names":["/web"],"NetworkSettings":[]}]',
    '[{"Names":["/web"],"Labels":null,"NetworkSettings":{"Networks":{"n":{"IPAddress":7}}}}]',
  ])("makes nothing of %s", (text) => {
    const named = parseContainerList(text, SUBNET).map(({ id, ownNames }) => ({ id, ownNames }));
    expect(named.filter(({ id, ownNames }) => id !== "" || ownNames.length > 0)).toEqual([]);
  });
});
