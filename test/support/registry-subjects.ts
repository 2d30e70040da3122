/** The implementations of `Registry`, as the contract suites run on them. */
import { systemClock } from "../../src/agent/process/system-clock.ts";
import { MemoryRegistry } from "../../src/subnet-lease/memory-registry.ts";
import type { Registry } from "../../src/subnet-lease/registry.ts";
import { openEtcd } from "./etcd-clients.ts";
import { EtcdServer } from "./etcd-server.ts";

/** An implementation, and what a test must do to it from outside. */
export interface RegistrySubject {
  open(): Registry;
  compact(revision: bigint): Promise<void>;
  /** Takes the registry away while `work` runs. */
  whileAway(work: () => Promise<void>): Promise<void>;
  end(): Promise<void>;
}

async function startEtcd(): Promise<RegistrySubject> {
  const server = await EtcdServer.start();
  return {
    open: () => openEtcd({ endpoints: [server.url] }),
    compact: async (revision) => {
      await server.etcdctl("compaction", revision.toString());
    },
    whileAway: async (work) => {
      await server.kill();
      await work();
      await server.start();
    },
    end: () => server[Symbol.asyncDispose](),
  };
}

function startMemory(): Promise<RegistrySubject> {
  let registry = new MemoryRegistry(systemClock);
  return Promise.resolve({
    open: () => (registry = new MemoryRegistry(systemClock)),
    compact: (revision) => {
      registry.compact(revision);
      return Promise.resolve();
    },
    whileAway: async (work) => {
      registry.setAvailable(false);
      await work();
      registry.setAvailable(true);
    },
    end: () => Promise.resolve(),
  });
}

/** For `describe.each`. */
export const REGISTRY_SUBJECTS = [
  { name: "EtcdRegistry", start: startEtcd },
  { name: "MemoryRegistry", start: startMemory },
];
