import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { waitForLease } from "../../../src/pod/wait-for-lease.ts";

const TEXT = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1450\n";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "twill-wait-for-lease-"));
});
afterEach(() => rm(directory, { recursive: true }));

describe("waitForLease", () => {
  it("resolves when the subnet file comes", async () => {
    const path = join(directory, "subnet.env");
    const waited = waitForLease(path, 10_000);
    await writeFile(path, TEXT);
    expect((await waited).subnet.toString()).toBe("10.244.7.0/24");
  });

  it("ends with a sentence when it does not, and at once when it cannot be used", async () => {
    const path = join(directory, "subnet.env");
    await expect(waitForLease(path, 0)).rejects.toMatchObject({
      code: "ERR_LEASE_MISSING",
      message: `Cannot start a pod: after 0 s there is no ${path}; is twill agent running, and what does twill status say?`,
    });
    await writeFile(path, "FLANNEL_MTU=1450\n");
    await expect(waitForLease(path, 60_000)).rejects.toMatchObject({ code: "ERR_FILE_FAILED" });
  });
});
