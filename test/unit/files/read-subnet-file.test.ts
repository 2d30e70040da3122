import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readSubnetFile } from "../../../src/files/read-subnet-file.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "twill-subnet-file-"));
});
afterEach(() => rm(directory, { recursive: true }));

describe("readSubnetFile", () => {
  it("reads what an agent wrote", async () => {
    const path = join(directory, "subnet.env");
    await writeFile(path, "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1450\n");
    const { subnet, overlayMtu, ipMasq } = await readSubnetFile(path);
    expect([subnet.toString(), overlayMtu, ipMasq]).toEqual(["10.244.7.0/24", 1450, false]);
  });

  it("tells a host without a lease from a file that is broken or out of reach", async () => {
    const path = join(directory, "subnet.env");
    await expect(readSubnetFile(path)).rejects.toMatchObject({
      code: "ERR_LEASE_MISSING",
      message: expect.stringContaining(`there is no ${path} yet; start twill agent`) as string,
    });
    await writeFile(path, "FLANNEL_NETWORK=10.244.0.0/16\n");
    await expect(readSubnetFile(path)).rejects.toMatchObject({
      code: "ERR_FILE_FAILED",
      message: expect.stringContaining("it lacks FLANNEL_NETWORK, FLANNEL_SUBNET or FLANNEL_MTU") as string,
    });
    await expect(readSubnetFile(directory)).rejects.toMatchObject({ code: "ERR_FILE_FAILED" });
    await expect(readSubnetFile(join(path, "x"))).rejects.toMatchObject({ code: "ERR_FILE_FAILED" });
  });
});
