import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      // No root, no network, no waiting.
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 10_000 } },
      // One suite per interface, on every implementation; a real etcd on loopback, no root.
      { test: { name: "contract", include: ["test/contract/**/*.test.ts"], testTimeout: 30_000 } },
      // Hosts as network namespaces; root. One file at a time: they measure loss and time on few cores.
      {
        test: {
          name: "netns",
          include: ["test/netns/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      // Docker engines on such hosts; root. One file at a time: an engine keeps a core busy while it starts.
      {
        test: {
          name: "docker",
          include: ["test/docker/**/*.test.ts"],
          globalSetup: ["test/support/docker/global-setup.ts"],
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
