import { closeSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { loadEngineAddon, loadEngineAddonFrom } from "../../../src/datapath/engine-addon.ts";
import { openNativeEngine, whyNoNativeEngine } from "../../../src/datapath/native-engine.ts";
import { openPacketPair } from "../../../src/datapath/packet-io.ts";
import { engineOptions, openEngineSocket, tunOf } from "../../support/engine-bench.ts";
import { eventually } from "../../support/eventually.ts";
import { readImports } from "../../support/module-imports.ts";
import { countDescriptors, threadIds, threadsSince } from "../../support/process-resources.ts";

const ENGINE_FILE = fileURLToPath(new URL("../../../src/datapath/native-engine.ts", import.meta.url));

describe("openNativeEngine", () => {
  it("leaves no thread and no descriptor when its events cannot be watched", async () => {
    const open = async (load: typeof loadEngineAddon): Promise<void> => {
      const [tunFd, farFd] = openPacketPair();
      const options = { ...engineOptions(8285), tun: tunOf("bare", [tunFd]), socketFd: openEngineSocket(0) };
      try {
        await (await openNativeEngine(options, load)).close();
      } finally {
        closeSync(farFd);
      }
    };
    await open(loadEngineAddon); // starts the threads of libuv, which stay
    const [descriptors, threads] = [countDescriptors(), threadIds()];

    const unwatchable = open(() => ({ ...loadEngineAddon(), engineEventFd: () => -1 }));

    await expect(unwatchable).rejects.toMatchObject({ code: "ERR_SOCKET_FAILED" });
    expect(countDescriptors()).toBe(descriptors);
    await eventually(() => expect(threadsSince(threads)).toEqual([]));
  });
});

describe("whyNoNativeEngine", () => {
  it("has no reason where the addon loads", () => {
    expect(whyNoNativeEngine()).toBeNull();
  });

  it("gives the reason why the addon cannot be used", () => {
    expect(whyNoNativeEngine(() => loadEngineAddonFrom("/nonexistent/twill_engine.node"))).toMatchObject({
      code: "ERR_ADDON_MISSING",
      message: "Cannot load the addon: /nonexistent/twill_engine.node is missing; run scripts/setup",
    });
  });

  it("does not take a mistake of ours for a reason", () => {
    const mistake = new TypeError("not a function");
    expect(() =>
      whyNoNativeEngine(() => {
        throw mistake;
      }),
    ).toThrow(mistake);
  });
});

describe("native-engine.ts", () => {
  it("loads none of the code that only dgram needs", () => {
    const loaded = [...modulesOf(ENGINE_FILE)].map((path) => path.slice(dirname(ENGINE_FILE).length + 1));
    expect(loaded).toContain("forwarding-table.ts");
    expect(loaded.filter((name) => /^(icmp|dgram|check-)/.test(name))).toEqual([]);
  });
});

/** The file and every one of this project that loading it loads. */
function modulesOf(path: string, known = new Set<string>()): ReadonlySet<string> {
  if (known.has(path)) return known;
  known.add(path);
  for (const { specifier, isTypeOnly } of readImports(path, readFileSync(path, "utf8"))) {
    if (!isTypeOnly && specifier.startsWith(".")) modulesOf(join(dirname(path), specifier), known);
  }
  return known;
}
