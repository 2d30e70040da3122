import { describe, expect, it } from "vitest";
import type { IpCommand } from "../../../src/kernel/ip-command.ts";
import { OnLinkWays } from "../../../src/kernel/on-link-ways.ts";
import type { Ipv4Address } from "../../../src/net/ipv4.ts";
import { addressOf } from "../../support/ipv4.ts";

const NO_ABORT = new AbortController().signal;

const host = (number: number): Ipv4Address => addressOf(`192.0.2.${number}`);

/** A kernel that knows these ways: device of an on-link address, or a way by a gateway. */
class Kernel implements IpCommand {
  readonly asked: string[][] = [];
  ways: Readonly<Record<string, string>>;

  constructor(ways: Readonly<Record<string, string>>) {
    this.ways = ways;
  }

  readBatch(commands: readonly (readonly string[])[]): Promise<unknown[]> {
    const addresses = commands.map((words) => words.at(-1) ?? "");
    this.asked.push(addresses);
    return Promise.resolve(
      addresses.map((dst) => {
        const dev = this.ways[dst];
        return [{ dst, dev: dev ?? "eth0", ...(dev === undefined ? { gateway: "192.0.2.254" } : {}) }];
      }),
    );
  }

  read(): Promise<unknown> {
    return Promise.reject(new Error("nothing else is asked"));
  }

  apply(): Promise<void> {
    return Promise.reject(new Error("nothing is changed"));
  }
}

const waysOf = (kernel: Kernel, isEnabled = true): OnLinkWays =>
  new OnLinkWays({ ip: kernel, isEnabled, accepts: (name) => name !== "flannel.1" });

describe("OnLinkWays", () => {
  it("asks for an address once, and again for all when it refreshes", async () => {
    const kernel = new Kernel({ "192.0.2.2": "eth0" });
    const ways = waysOf(kernel);

    await ways.learn([host(2), host(3)], NO_ABORT);
    await ways.learn([host(2), host(3), host(4)], NO_ABORT);
    await ways.learn([host(2), host(3), host(4)], NO_ABORT);
    await ways.refresh(NO_ABORT);

    expect(kernel.asked).toEqual([
      ["192.0.2.2", "192.0.2.3"],
      ["192.0.2.4"],
      ["192.0.2.2", "192.0.2.3", "192.0.2.4"],
    ]);
    expect([2, 3, 4].map((number) => ways.deviceOf(host(number)))).toEqual(["eth0", null, null]);
  });

  it("asks again for an address that was away", async () => {
    const kernel = new Kernel({ "192.0.2.2": "eth0" });
    const ways = waysOf(kernel);

    await ways.learn([host(2)], NO_ABORT);
    await ways.learn([], NO_ABORT);
    kernel.ways = {};
    await ways.learn([host(2)], NO_ABORT);

    expect(ways.deviceOf(host(2))).toBeNull();
  });

  it("tells which addresses a refresh finds elsewhere", async () => {
    const kernel = new Kernel({ "192.0.2.2": "eth0", "192.0.2.3": "eth0" });
    const ways = waysOf(kernel);
    await ways.learn([host(2), host(3), host(4)], NO_ABORT);

    kernel.ways = { "192.0.2.2": "eth1", "192.0.2.3": "eth0", "192.0.2.4": "eth0" };
    expect(await ways.refresh(NO_ABORT)).toEqual([host(2), host(4)]);
    expect([2, 3, 4].map((number) => ways.deviceOf(host(number)))).toEqual(["eth1", "eth0", "eth0"]);
    expect(await ways.refresh(NO_ABORT)).toEqual([]);
  });

  it("takes no way by a device that does not count", async () => {
    const ways = waysOf(new Kernel({ "192.0.2.2": "flannel.1" }));
    await ways.learn([host(2)], NO_ABORT);
    expect(ways.deviceOf(host(2))).toBeNull();
  });

  it("asks nothing and finds nothing when it is switched off", async () => {
    const kernel = new Kernel({ "192.0.2.2": "eth0" });
    const ways = waysOf(kernel, false);
    await ways.learn([host(2)], NO_ABORT);
    expect(await ways.refresh(NO_ABORT)).toEqual([]);
    expect([ways.deviceOf(host(2)), kernel.asked]).toEqual([null, []]);
  });
});
