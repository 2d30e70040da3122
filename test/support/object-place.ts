/**
 * A network namespace with a kernel vxlan device, for tests of what is in `src/kernel`:
 *
 *   flannel.1 (vxlan 1, 10.244.1.0/32) -- u0 192.0.2.1/24 ==veth== p0
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { KernelObjects, ObjectKeeper, ObjectScope } from "../../src/kernel/kernel-objects.ts";
import { createObjectKeeper } from "../../src/kernel/object-keeper.ts";
import { onlinkRoute } from "../../src/kernel/routes.ts";
import { Ipv4Address, Ipv4Prefix } from "../../src/net/ipv4.ts";
import { MacAddress } from "../../src/net/mac.ts";
import { eventually } from "./eventually.ts";
import { addressOf, prefixOf } from "./ipv4.ts";
import { recordLog } from "./log-lines.ts";
import type { LogLine } from "./log-lines.ts";
import { NamespaceCommands } from "./namespace-commands.ts";
import { NetworkNamespace } from "./network-namespace.ts";

/** Name of the vxlan device. */
export const DEVICE = "flannel.1";
/** The route that the kernel made with u0's address. */
export const CONNECTED = "192.0.2.0/24 dev u0 proto kernel scope link src 192.0.2.1";

const FIRST_MAC = 0x02_00_00_00_00_00;
const FIRST_SUBNET = addressOf("10.244.0.0").value;
const FIRST_UNDERLAY_IP = addressOf("192.0.2.0").value;
const ADDRESSES_OF_SUBNET = 256;

/** What the kernel holds, as `ip` and `bridge` print it. */
export interface ShownObjects {
  readonly routes: string[];
  readonly neighbours: string[];
  readonly fdb: string[];
}

/** What carries packets to peers with these numbers through the device; the options move their addresses on. */
export function encapsulated(
  numbers: readonly number[],
  { macBy = 0, underlayBy = 0 }: { readonly macBy?: number; readonly underlayBy?: number } = {},
): KernelObjects {
  const subnetOf = (n: number): Ipv4Prefix =>
    new Ipv4Prefix(new Ipv4Address(FIRST_SUBNET + n * ADDRESSES_OF_SUBNET), 24);
  const macAddress = (n: number): MacAddress => new MacAddress(FIRST_MAC + n + macBy);
  return {
    routes: numbers.map((n) => onlinkRoute(subnetOf(n), DEVICE)),
    neighbours: numbers.map((n) => ({ address: subnetOf(n).address, mac: macAddress(n) })),
    fdb: numbers.map((n) => ({
      mac: macAddress(n),
      underlayIp: new Ipv4Address(FIRST_UNDERLAY_IP + n + underlayBy),
    })),
  };
}

/** The same objects and some routes. */
export function withRoutes(objects: KernelObjects, ...routes: KernelObjects["routes"]): KernelObjects {
  return { ...objects, routes: [...objects.routes, ...routes] };
}

/** A keeper of objects in the namespace, and the lines of its log. */
export interface RecordedKeeper {
  readonly keeper: ObjectKeeper;
  readonly lines: readonly LogLine[];
}

export class ObjectPlace implements AsyncDisposable {
  readonly namespace: NetworkNamespace;
  readonly commands: NamespaceCommands;
  readonly #monitors: ChildProcess[] = [];

  private constructor(namespace: NetworkNamespace, commands: NamespaceCommands) {
    this.namespace = namespace;
    this.commands = commands;
  }

  static async create(): Promise<ObjectPlace> {
    const namespace = await NetworkNamespace.create();
    const place = new ObjectPlace(namespace, await NamespaceCommands.create(namespace));
    await place.ip(
      "link add u0 type veth peer name p0",
      "link set p0 up",
      "link set u0 up",
      "addr add 192.0.2.1/24 dev u0",
    );
    await place.makeDevice();
    return place;
  }

  /** A device as flannel makes it. */
  async makeDevice(): Promise<void> {
    await this.ip(
      `link add ${DEVICE} address 02:00:00:00:00:01 mtu 1450 txqueuelen 0 type vxlan id 1 dev u0 local 192.0.2.1 nolearning dstport 8472`,
      `addr add 10.244.1.0/32 dev ${DEVICE}`,
      `link set ${DEVICE} up`,
    );
  }

  newKeeper(scope: Partial<ObjectScope> = {}): RecordedKeeper {
    const { log, lines } = recordLog();
    const { ip, bridge } = this.commands;
    const everything = { network: prefixOf("10.0.0.0/8"), deviceName: DEVICE, mayRemove: () => true };
    return { keeper: createObjectKeeper({ ...everything, ...scope }, { ip, bridge, log }), lines };
  }

  /** Runs `ip` for each line, as a person would. */
  async ip(...lines: string[]): Promise<void> {
    for (const line of lines) await this.namespace.run("ip", line.split(" "));
  }

  /** Runs `bridge` for each line. */
  async bridge(...lines: string[]): Promise<void> {
    for (const line of lines) await this.namespace.run("bridge", line.split(" "));
  }

  /** What the program prints, without the mark `linkdown`, which comes up to a second after the carrier went. */
  async show(program: "ip" | "bridge", line: string): Promise<string[]> {
    const output = await this.namespace.run(program, line.split(" "));
    const lines = output.split("\n").map((text) => text.replaceAll(/ linkdown|\s+$/g, ""));
    return lines.filter((text) => text !== "");
  }

  async showAll(): Promise<ShownObjects> {
    return {
      routes: await this.show("ip", "-4 route show"),
      neighbours: await this.show("ip", `-4 neigh show dev ${DEVICE}`),
      fdb: await this.show("bridge", `fdb show dev ${DEVICE}`),
    };
  }

  /** The routes of every table that do not carry our number, with all that `ip` knows of them. */
  async showForeignRoutes(): Promise<string[]> {
    return (await this.show("ip", "-4 -d route show table all")).filter((line) => !line.includes("proto 84"));
  }

  /** Hears every change of a route from now on; `stop` resolves with the lines. */
  async watchRoutes(): Promise<{ stop(): Promise<string[]> }> {
    const [program, args] = this.namespace.command(["ip", "-4", "monitor", "route"]);
    const monitor = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.#monitors.push(monitor);
    let output = "";
    monitor.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    // A change of its own tells that the monitor listens, and that it has told all before.
    const hear = async (mark: string): Promise<void> => {
      await eventually(async () => {
        await this.ip(`route add blackhole ${mark}`, `route del blackhole ${mark}`);
        return output.includes(mark);
      });
    };
    await hear("203.0.113.253");
    return {
      async stop() {
        await hear("203.0.113.254");
        return output.split("\n").filter((line) => line !== "" && !line.includes("blackhole 203.0.113."));
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const monitor of this.#monitors) {
      const closed = once(monitor, "close");
      if (monitor.kill()) await closed;
    }
    await this.commands[Symbol.asyncDispose]();
    await this.namespace[Symbol.asyncDispose]();
  }
}
