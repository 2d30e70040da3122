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
    ],
  },
});
