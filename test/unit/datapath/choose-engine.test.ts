import { describe, expect, it } from "vitest";
import { chooseEngine, describeDatapath } from "../../../src/datapath/choose-engine.ts";
import type { DatapathOptions, EngineSources } from "../../../src/datapath/choose-engine.ts";
import type { OpenPacketEngine } from "../../../src/datapath/packet-engine.ts";
import { OverlayError } from "../../../src/net/overlay-error.ts";
import { recordLog } from "../../support/log-lines.ts";

const AUTO: DatapathOptions = { engine: "auto", queues: null, offload: "auto", sourcePort: "fixed" };
const openNativeEngine: OpenPacketEngine = () => Promise.reject(new Error("not here"));
const openDgramEngine: OpenPacketEngine = () => Promise.reject(new Error("not here"));
const MISSING = new OverlayError("ERR_ADDON_MISSING", "Cannot load the addon: it is missing", {
  path: "/nonexistent",
});

/** A host with this many cores; `loaded` are the engines whose code it has loaded. */
function hostWith(cores: number, why: OverlayError | null): { sources: EngineSources; loaded: string[] } {
  const loaded: string[] = [];
  const sources: EngineSources = {
    cores,
    native() {
      loaded.push("native");
      return Promise.resolve({ openNativeEngine, whyNoNativeEngine: () => why });
    },
    dgram() {
      loaded.push("dgram");
      return Promise.resolve({ openDgramEngine });
    },
  };
  return { sources, loaded };
}

describe("chooseEngine", () => {
  it("takes the native engine where it loads, and does not load the other", async () => {
    const { sources, loaded } = hostWith(8, null);
    const { log, lines } = recordLog();
    for (const engine of ["auto", "native"] as const) {
      expect(await chooseEngine({ ...AUTO, engine }, log, sources)).toEqual({
        name: "native",
        open: openNativeEngine,
        queues: 4,
        offload: "auto",
        sourcePort: "fixed",
      });
    }
    expect(loaded).toEqual(["native", "native"]);
    expect(lines).toEqual([]);
  });

  it.each([
    [1, 1],
    [2, 1],
    [3, 1],
    [4, 2],
    [15, 7],
    [16, 8],
    [128, 8],
  ])("has on %d cores %d queues, unless told otherwise", async (cores, queues) => {
    const { sources } = hostWith(cores, null);
    const { log } = recordLog();
    expect((await chooseEngine(AUTO, log, sources)).queues).toBe(queues);
    expect((await chooseEngine({ ...AUTO, queues: 16 }, log, sources)).queues).toBe(16);
  });

  it("passes on offload and source port to the native engine", async () => {
    const wanted = { ...AUTO, offload: "off", sourcePort: "flow-hash" } as const;
    expect(await chooseEngine(wanted, recordLog().log, hostWith(2, null).sources)).toMatchObject({
      offload: "off",
      sourcePort: "flow-hash",
    });
  });

  it("leaves the source port to the backend where nothing was asked for and the engine can do either", async () => {
    const { log, lines } = recordLog();
    const { sources } = hostWith(2, null);
    const wanted = { ...AUTO, sourcePort: null };
    expect((await chooseEngine(wanted, log, sources)).sourcePort).toBeNull();
    expect((await chooseEngine({ ...wanted, engine: "dgram" }, log, sources)).sourcePort).toBe("fixed");
    expect(lines).toEqual([]);
  });

  it("falls back to dgram with one warning that says why and what to run", async () => {
    const { sources, loaded } = hostWith(8, MISSING);
    const { log, lines } = recordLog();
    expect(await chooseEngine(AUTO, log, sources)).toEqual({
      name: "dgram",
      open: openDgramEngine,
      queues: 1,
      offload: "off",
      sourcePort: "fixed",
    });
    expect(loaded).toEqual(["native", "dgram"]);
    expect(lines).toEqual([
      expect.objectContaining({
        level: "warn",
        err: expect.objectContaining({ message: MISSING.message }) as unknown,
        remedy: "scripts/build-native",
        msg: "Native packet engine cannot be used, using dgram, which is slower",
      }),
    ]);
  });

  it("refuses to start when native is asked for and does not load", async () => {
    const { sources, loaded } = hostWith(8, MISSING);
    const { log, lines } = recordLog();
    await expect(chooseEngine({ ...AUTO, engine: "native" }, log, sources)).rejects.toMatchObject({
      code: "ERR_ADDON_MISSING",
      message: `Cannot use the native packet engine, which is asked for: ${MISSING.message}`,
      fields: { path: "/nonexistent" },
      cause: MISSING,
    });
    expect(loaded).toEqual(["native"]);
    expect(lines).toEqual([]);
  });

  it("does not look at the native engine when dgram is asked for", async () => {
    const { sources, loaded } = hostWith(8, MISSING);
    const { log, lines } = recordLog();
    expect((await chooseEngine({ ...AUTO, engine: "dgram" }, log, sources)).name).toBe("dgram");
    expect(loaded).toEqual(["dgram"]);
    expect(lines).toEqual([]);
  });

  it.each<[Partial<DatapathOptions>, string[]]>([
    [{ queues: 2 }, ["2 queues"]],
    [{ sourcePort: "flow-hash" }, ["source port flow-hash"]],
    [{ queues: 16, sourcePort: "flow-hash" }, ["16 queues", "source port flow-hash"]],
  ])("says once that %j has no effect on dgram", async (settings, ignored) => {
    const { log, lines } = recordLog();
    const wanted = { ...AUTO, engine: "dgram", ...settings } as const;
    expect(await chooseEngine(wanted, log, hostWith(8, null).sources)).toMatchObject({
      queues: 1,
      sourcePort: "fixed",
    });
    expect(lines).toEqual([expect.objectContaining({ level: "warn", ignored })]);
  });

  it("has nothing to say about a single queue for dgram", async () => {
    const { log, lines } = recordLog();
    await chooseEngine({ ...AUTO, engine: "dgram", queues: 1 }, log, hostWith(8, null).sources);
    expect(lines).toEqual([]);
  });
});

describe("describeDatapath", () => {
  const chosen = { name: "native", sourcePort: "flow-hash" } as const;

  it.each([
    [false, false, "off"],
    [true, false, "tcp"],
    [true, true, "tcp+udp"],
  ])("names the runs of a TUN (header: %s, UDP: %s) %s", (hasVnetHeader, takesUdpRuns, offload) => {
    expect(describeDatapath(chosen, { fds: [7, 8, 9], hasVnetHeader, takesUdpRuns })).toEqual({
      engine: "native",
      queues: 3,
      offload,
      sourcePort: "flow-hash",
    });
  });
});
