/** Everything that names need of one lease: when the lease is another, all of it is ended and begun anew. */
import type { Logger } from "pino";
import type { Clock } from "../net/clock.ts";
import type { Ipv4Address } from "../net/ipv4.ts";
import type { TaskGroup } from "../process/task-group.ts";
import type { Registry } from "../subnet-lease/registry.ts";
import { keepListening } from "./dns/keep-listening.ts";
import { followEngine } from "./engine/follow-engine.ts";
import type { NamesLease } from "./follow-lease.ts";
import { NameTable } from "./name-table.ts";
import { followNames } from "./record/follow-names.ts";
import type { HostNames } from "./record/host-names.ts";
import { NamesPublisher } from "./record/publish-names.ts";

export interface ServeHostOptions {
  readonly dockerSocket: string;
  readonly zone: string;
  /** Null: the gateway of the subnet. */
  readonly listenIp: Ipv4Address | null;
  readonly listenPort: number;
  /** From the end of this process without a word to the end of its names. */
  readonly ttlSeconds: number;
  readonly etcdPrefix: string;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

/** Starts it all in the group. */
export function serveHost(options: ServeHostOptions, lease: NamesLease, group: TaskGroup): void {
  const { registry, etcdPrefix: prefix, ttlSeconds, dockerSocket, clock, random, log } = options;
  const { network, subnet } = lease;
  const deps = { registry, prefix, clock, random, log };
  const table = new NameTable();
  const publisher = new NamesPublisher({ ...deps, subnet, ttlSeconds });
  const address = options.listenIp ?? lease.gateway;
  const server = {
    address,
    port: options.listenPort,
    zone: {
      name: options.zone,
      find: (name: string) => table.find(name),
      findOwner: (owned: Ipv4Address) => table.findOwner(owned),
    },
    // A program of this host asks from the address it asks, or from loopback.
    isAllowed: (asker: Ipv4Address) => network.contains(asker) || asker.isLoopback || asker.equals(address),
    clock,
    log,
  };
  const engine = {
    dockerSocket,
    subnet,
    clock,
    random,
    log,
    onNames: (names: HostNames) => {
      table.setHost(subnet, names); // known here at once, whether or not etcd is there
      publisher.publish(names);
    },
  };
  group.start((signal) => publisher.run(signal));
  group.start((signal) => followNames({ ...deps, network, ownSubnet: subnet, table }, signal));
  group.start((signal) => followEngine(engine, signal));
  group.start((signal) => keepListening(server, signal));
}
