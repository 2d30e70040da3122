import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { forgetNetwork } from "../../../../src/docker/plugin/forget-network.ts";
import { StateStore } from "../../../../src/docker/plugin/state/state-store.ts";
import { NETWORK_ID, WITH_NETWORK } from "./samples.ts";

let stateDir: string;
let server: Server | null;
beforeEach(async () => {
  stateDir = mkdtempSync(join(tmpdir(), "twill-forget-"));
  server = null;
  await (await StateStore.open(stateDir)).save(WITH_NETWORK);
});
afterEach(async () => {
  await new Promise((resolve) => (server === null ? resolve(null) : server.close(resolve)));
  rmSync(stateDir, { recursive: true });
});

/** Asks something behind a socket that answers so to forget the network. */
async function forget(answer: string): Promise<string> {
  const socket = join(stateDir, "plugin.sock");
  server = createServer((_request, response) => void response.end(answer));
  await new Promise<void>((resolve) => server?.listen(socket, resolve));
  return await forgetNetwork({ start: "a1a1", socket, stateDir, dockerSocket: null });
}

it("gives the id of the network that was forgotten", async () => {
  expect(await forget("{}\n")).toBe(NETWORK_ID);
});

it("passes the plugin's refusal on", async () => {
  await expect(forget('{"Err":"Cannot: no"}')).rejects.toMatchObject({
    code: "ERR_REQUEST_REFUSED",
    message: "Cannot: no",
  });
});

it("says what to do when something else answers", async () => {
  await expect(forget("<html>")).rejects.toMatchObject({
    code: "ERR_SOCKET_FAILED",
    message: `Cannot ask the plugin at ${stateDir}/plugin.sock: what answers there is not the plugin; give --socket`,
  });
});
