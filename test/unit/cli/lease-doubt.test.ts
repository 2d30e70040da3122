import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { leaseDoubt } from "../../../src/cli/lease-doubt.ts";
import { prefixOf } from "../../support/ipv4.ts";

const SUBNET = prefixOf("10.244.35.0/24");
const CLAIM = "/srv/subnet.env says that this host leases 10.244.35.0/24";

let runDir: string;
let server: Server | null = null;
beforeEach(async () => {
  runDir = await mkdtemp(join(tmpdir(), "twill-lease-doubt-"));
});
afterEach(async () => {
  await new Promise((resolve) => (server === null ? resolve(null) : server.close(resolve)));
  server = null;
  await rm(runDir, { recursive: true });
});

/** What is said when the agent's status has these members. */
async function doubt(status: object): Promise<string | null> {
  const made = createServer((_request, response) => response.end(JSON.stringify(status)));
  server = made;
  await new Promise<void>((resolve) => made.listen(join(runDir, "agent.sock"), resolve));
  return await leaseDoubt(SUBNET, "/srv/subnet.env", runDir);
}

describe("leaseDoubt", () => {
  it("is nothing when the agent has the file's subnet", async () => {
    expect(await doubt({ subnet: "10.244.35.0/24", notReadyReason: "etcd is away" })).toBe(null);
  });

  it("says which subnet the agent has instead", async () => {
    expect(await doubt({ subnet: "10.244.25.0/24", notReadyReason: null })).toBe(
      `${CLAIM}, its agent leases 10.244.25.0/24; --subnet-file names the file that this agent writes`,
    );
  });

  it("says why the agent has none yet", async () => {
    expect(await doubt({ subnet: null, notReadyReason: "The network config is missing" })).toBe(
      `${CLAIM}, its agent has no subnet yet: The network config is missing`,
    );
  });

  it("says that no agent is there, and how to name one", async () => {
    expect(await leaseDoubt(SUBNET, "/srv/subnet.env", runDir)).toBe(
      `${CLAIM}, and nobody confirms it. Cannot ask the agent: no agent is running behind ${runDir}/agent.sock; --run-dir names another`,
    );
  });
});
