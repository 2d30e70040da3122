import { basename } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer } from "vitest/node";
import type { TestSpecification } from "vitest/node";

/** Cores that tests take where they do not measure. */
const WORKERS = 2;

/**
 * Files in network namespaces that run beside one another: they assert what is there in the end, with generous deadlines. All
 * others count lost packets, time or memory, and would disturb one another on few cores.
 */
const UNMEASURED = [
  "alloc-backend",
  "backend-pairs",
  "bench-checks",
  "cleanup",
  "cni*",
  "config-change",
  "device-names",
  "docker-plugin",
  "docker-plugin-hosts",
  "docker-plugin-links",
  "etcd-by-name",
  "etcd-outage",
  "flannel-*",
  "guard*",
  "hostgw-backend",
  "hostile-registry",
  "kernel-*",
  "lab*",
  "missing-engine",
  "own-lease",
  "pod",
  "pod-kills",
  "pod-records",
  "pod-stores",
  "pod-survivors",
  "stale-overlay",
  "stored-form",
  "strangers-and-lies",
  "tun",
  "udp-backend",
  "unit-sandbox",
  "vxlan-kernel-backend",
  "vxlan-user-backend",
].map((name) => `test/netns/${name}.test.ts`);

/** Files that take minutes begin before the others: none is left to run alone at the end. */
const LONG = ["etcd-outage.test.ts", "image.test.ts"];

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification): boolean => LONG.includes(basename(moduleId));
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

/** Ends what hangs, and nothing that is only slow: the machine may be busy with something else. */
const PATIENT = { testTimeout: 30_000, hookTimeout: 30_000 };
const NETNS = { testTimeout: 120_000, hookTimeout: 60_000 };

export default defineConfig({
  test: {
    sequence: { sequencer: LongFirst },
    projects: [
      // No root, no network, no waiting.
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          ...PATIENT,
          maxWorkers: WORKERS,
          sequence: { groupOrder: 0 },
        },
      },
      // One suite per interface, on every implementation; a real etcd on loopback, no root.
      {
        test: {
          name: "contract",
          include: ["test/contract/**/*.test.ts"],
          ...PATIENT,
          testTimeout: 120_000,
          maxWorkers: WORKERS,
          sequence: { groupOrder: 0 },
        },
      },
      // Hosts as network namespaces; root.
      {
        test: {
          ...NETNS,
          name: "netns",
          include: UNMEASURED,
          maxWorkers: WORKERS,
          sequence: { groupOrder: 1 },
        },
      },
      // The same, one file at a time.
      {
        test: {
          ...NETNS,
          name: "netns-measured",
          include: ["test/netns/**/*.test.ts"],
          exclude: UNMEASURED,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      // Docker engines on such hosts; root.
      {
        test: {
          name: "docker",
          include: ["test/docker/**/*.test.ts"],
          globalSetup: ["test/support/docker/global-setup.ts"],
          maxWorkers: WORKERS,
          sequence: { groupOrder: 3 },
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
