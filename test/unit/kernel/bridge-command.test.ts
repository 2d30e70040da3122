import { describe, expect, it } from "vitest";
import { createBridgeCommand } from "../../../src/kernel/bridge-command.ts";
import { isMissingDevice } from "../../../src/kernel/ip-command.ts";

const NO_ABORT = new AbortController().signal;

describe("createBridgeCommand", () => {
  it("reads from the real bridge, and tells that a device is missing", async () => {
    expect(await createBridgeCommand().read(["fdb", "show", "dev", "lo"], NO_ABORT)).toEqual([]);
    const err: unknown = await createBridgeCommand()
      .read(["fdb", "show", "dev", "twill-none"], NO_ABORT)
      .catch((reason: unknown) => reason);
    expect(isMissingDevice(err, "twill-none")).toBe(true);
  });

  it("names bridge and the command that failed", async () => {
    const removal = ["fdb", "del", "02:00:00:00:00:02", "dev", "twill-none", "self"];
    await expect(createBridgeCommand().apply([removal, removal], NO_ABORT)).rejects.toThrow(
      'bridge fdb del 02:00:00:00:00:02 dev twill-none self: Cannot find device "twill-none" (and 1 more failed)',
    );
  });
});
