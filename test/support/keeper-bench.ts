/** Nodes that lease subnets from one registry in memory, with a clock moved by hand. */
import { LeaseKeeper } from "../../src/subnet-lease/lease-keeper.ts";
import type { LeaseKeeperOptions } from "../../src/subnet-lease/lease-keeper.ts";
import type { LeaseState } from "../../src/subnet-lease/lease-state.ts";
import { leaseKey, leasePrefix } from "../../src/subnet-lease/lease-codec.ts";
import { parseLeaseList } from "../../src/subnet-lease/lease-list.ts";
import type { LeaseView } from "../../src/subnet-lease/lease.ts";
import { MemoryRegistry } from "../../src/subnet-lease/memory-registry.ts";
import { parseNetworkConfig } from "../../src/subnet-lease/network-config.ts";
import type {
  CommitResult,
  Registry,
  RegistryEntry,
  RegistryWrite,
} from "../../src/subnet-lease/registry.ts";
import { FakeClock } from "./fake-clock.ts";
import { addressOf, prefixOf } from "./ipv4.ts";
import { recordLog } from "./log-lines.ts";
import type { LogLine } from "./log-lines.ts";

export const PREFIX = "/coreos.com/network";
/** Flannel's fixture: 25 subnets. */
export const DUMMY_CONFIG = `{"Network":"10.3.0.0/16","SubnetMin":"10.3.1.0","SubnetMax":"10.3.25.0"}`;

const never = new AbortController().signal;

/** A registry in memory that counts etcd leases, and lets a test act between a node's list and its write. */
export class RacedRegistry extends MemoryRegistry {
  /** Called once, before the next commit is carried out. */
  beforeNextCommit: ((key: string) => Promise<void>) | null = null;
  readonly granted: bigint[] = [];
  readonly revoked: bigint[] = [];
  readonly commits: string[] = [];

  override async commit(
    key: string,
    expected: bigint,
    write: RegistryWrite,
    signal: AbortSignal,
  ): Promise<CommitResult> {
    const hook = this.beforeNextCommit;
    this.beforeNextCommit = null;
    await hook?.(key);
    const result = await super.commit(key, expected, write, signal);
    this.commits.push(`${result.committed ? write.kind : "lost"} ${key.slice(leasePrefix(PREFIX).length)}`);
    return result;
  }

  override async grant(ttlSeconds: number, signal: AbortSignal, id?: bigint): ReturnType<Registry["grant"]> {
    const answer = await super.grant(ttlSeconds, signal, id);
    this.granted.push(answer.etcdLeaseId);
    return answer;
  }

  override async revoke(etcdLeaseId: bigint, signal: AbortSignal): Promise<void> {
    await super.revoke(etcdLeaseId, signal);
    this.revoked.push(etcdLeaseId);
  }
}

/** One node. */
export interface Node {
  readonly keeper: LeaseKeeper;
  /** Every state it was told of, in one line each. */
  readonly states: readonly string[];
  readonly lines: readonly LogLine[];
  readonly stop: AbortController;
  /** Leases a subnet while the clock goes on; resolves with its text. */
  acquire(): Promise<string>;
  /** Starts `run`. */
  run(): Promise<void>;
  /** Shows the node what the registry holds, as its follower does. */
  observe(): Promise<void>;
}

export class KeeperBench {
  readonly clock = new FakeClock();
  readonly registry = new RacedRegistry(this.clock);

  node(
    name: string,
    underlayIp: string,
    more: Omit<Partial<LeaseKeeperOptions>, "config"> = {},
    config = DUMMY_CONFIG,
  ): Node {
    const { clock } = this;
    const { log, lines } = recordLog();
    const states: string[] = [];
    const stop = new AbortController();
    const keeper = new LeaseKeeper({
      registry: this.registry,
      prefix: PREFIX,
      config: parseNetworkConfig(config),
      attributes: {
        underlayIp: addressOf(underlayIp),
        underlayIp6: null,
        backend: { type: "" },
        nodeId: name,
      },
      previousSubnet: null,
      renewMarginSeconds: 3600,
      onLost: "reacquire",
      clock,
      random: () => 0,
      log,
      onChange: (state) => states.push(textOf(state)),
      ...more,
    });
    return {
      keeper,
      states,
      lines,
      stop,
      acquire: async () => {
        const [lease] = await Promise.all([keeper.acquire(stop.signal), clock.advance(1000)]);
        return lease.subnet.toString();
      },
      run: () => keeper.run(stop.signal),
      observe: async () => keeper.observe(await this.view()),
    };
  }

  /** What the registry holds, as `10.3.1.0-24: <value>`, in key order. */
  async stored(): Promise<string[]> {
    const { entries } = await this.registry.list(leasePrefix(PREFIX), never);
    return entries.map(
      ({ key, value }) => `${key.slice(leasePrefix(PREFIX).length)}: ${Buffer.from(value).toString()}`,
    );
  }

  /** The stored key of one subnet. */
  async entry(subnet: string): Promise<RegistryEntry> {
    const { entry } = await this.registry.read(leaseKey(PREFIX, prefixOf(subnet), null), never);
    if (entry === null) throw new Error(`${subnet} is not leased`);
    return entry;
  }

  /** Writes a lease as somebody else does, over whatever is there. */
  async put(subnet: string, value: string, ttlSeconds: number | null = null): Promise<void> {
    const key = leaseKey(PREFIX, prefixOf(subnet), null);
    const { entry } = await this.registry.read(key, never);
    const etcdLeaseId =
      ttlSeconds === null
        ? 0n
        : (await MemoryRegistry.prototype.grant.call(this.registry, ttlSeconds, never)).etcdLeaseId;
    const write = { kind: "put", value, etcdLeaseId } as const;
    await MemoryRegistry.prototype.commit.call(this.registry, key, entry?.modRevision ?? 0n, write, never);
  }

  /** Deletes a lease as an operator does. */
  async delete(subnet: string): Promise<void> {
    const { key, modRevision } = await this.entry(subnet);
    await MemoryRegistry.prototype.commit.call(this.registry, key, modRevision, { kind: "delete" }, never);
  }

  async view(): Promise<LeaseView> {
    const { entries, header } = await this.registry.list(leasePrefix(PREFIX), never);
    return { leases: parseLeaseList(PREFIX, entries).leases, ...header };
  }
}

/** Flannel's value of a node. */
export function flannelValue(underlayIp: string): string {
  return `{"PublicIP":"${underlayIp}","PublicIPv6":null}`;
}

/** Our value of a node with the udp backend. */
export function twillValue(underlayIp: string, nodeId: string): string {
  return `{"PublicIP":"${underlayIp}","PublicIPv6":null,"NodeID":"${nodeId}"}`;
}

/** A state in one line. */
export function textOf(state: LeaseState): string {
  switch (state.kind) {
    case "none":
      return "none";
    case "cached":
      return `cached ${state.subnet.toString()}`;
    case "held":
      return `held ${state.lease.subnet.toString()}${state.expiresAtMs === null ? " reserved" : ""}`;
    case "lost":
      return `lost ${state.subnet.toString()}: ${state.reason}`;
  }
}
