import { createHash, randomBytes } from "node:crypto";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startWebServer } from "../../../src/pod/web-server.ts";

let server: Server;
let url: string;
beforeEach(async () => {
  server = await startWebServer(0);
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterEach(() => server.close());

describe("startWebServer", () => {
  it("tells who asked whom", async () => {
    expect(await (await fetch(url)).text()).toBe(`${hostname()} 127.0.0.1 was asked by 127.0.0.1\n`);
  });

  it("tells what came", async () => {
    const body = randomBytes(1_000_003);
    const sum = createHash("sha256").update(body).digest("hex");
    expect(await (await fetch(url, { method: "POST", body })).text()).toBe(`1000003 ${sum}\n`);
  });
});
