import { request } from "node:http";
import type { RequestOptions } from "node:http";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { respondToHealth } from "../../../../src/agent/health/health-responses.ts";
import type { HealthSource } from "../../../../src/agent/health/health-responses.ts";
import { serveHealthOnPort, serveHealthOnSocket } from "../../../../src/agent/health/health-server.ts";
import { freePort } from "../../../support/free-port.ts";
import { STARTING_STATUS } from "../../../support/starting-status.ts";

function source(reason: string | null): HealthSource {
  return { notReadyReason: () => reason, status: () => STARTING_STATUS };
}

describe("respondToHealth", () => {
  it("answers /healthz with flannel's body, ready or not", () => {
    expect(respondToHealth("/healthz", source("not yet"), false)).toMatchObject({
      status: 200,
      body: "flanneld is running",
    });
  });

  it("answers /readyz with flannel's bodies, and the reason in a header", () => {
    expect(respondToHealth("/readyz", source(null), false)).toEqual({
      status: 200,
      headers: { "content-type": "text/plain; charset=utf-8" },
      body: "flanneld is ready",
    });
    expect(respondToHealth("/readyz", source("No subnet is leased yet"), false)).toMatchObject({
      status: 503,
      headers: { "x-twill-reason": "No subnet is leased yet" },
      body: "flanneld is not ready yet",
    });
  });

  it("puts nothing into the header that could end it", () => {
    const { headers } = respondToHealth("/readyz", source("a\r\nset-cookie: b\u00e9"), false);
    expect(headers["x-twill-reason"]).toBe("a??set-cookie: b?");
  });

  it("answers /status where it may, and anything else with 404", () => {
    const answer = respondToHealth("/status", source(null), true);
    expect(JSON.parse(answer.body)).toEqual(STARTING_STATUS);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(respondToHealth("/status", source(null), false).status).toBe(404);
    for (const path of ["", "/", "/healthz/", "/HEALTHZ", "/metrics"]) {
      expect(respondToHealth(path, source(null), true).status, path).toBe(404);
    }
  });
});

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

function ask(options: RequestOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ agent: false, ...options }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode, body }));
    });
    asked.on("error", reject).end();
  });
}

describe("health server", () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "twill-health-"));
  });

  afterEach(() => rm(directory, { recursive: true }));

  it("answers on a TCP port with any method, and not on /status", async () => {
    const port = await freePort();
    const server = await serveHealthOnPort("127.0.0.1", port, source(null));
    const on = { host: "127.0.0.1", port };
    expect(await ask({ ...on, path: "/readyz?verbose=1" })).toEqual({
      status: 200,
      body: "flanneld is ready",
    });
    expect(await ask({ ...on, path: "/healthz", method: "POST" })).toEqual({
      status: 200,
      body: "flanneld is running",
    });
    expect((await ask({ ...on, path: "/status" })).status).toBe(404);
    await server.close();
    await expect(ask({ ...on, path: "/healthz" })).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  it("refuses a port that is taken, naming it and why", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    await expect(serveHealthOnPort("127.0.0.1", port, source(null))).rejects.toMatchObject({
      code: "ERR_SOCKET_FAILED",
      message: `Cannot listen on 127.0.0.1 port ${port}: another process has it`,
    });
    await new Promise((resolve) => other.close(resolve));
  });

  it("answers on a socket that only its owner may use, and removes it at the end", async () => {
    const path = join(directory, "agent.sock");
    await writeFile(path, "left by an agent that is gone");
    const server = await serveHealthOnSocket(path, source("not yet"));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(JSON.parse((await ask({ socketPath: path, path: "/status" })).body)).toEqual(STARTING_STATUS);
    expect(await ask({ socketPath: path, path: "/readyz" })).toEqual({
      status: 503,
      body: "flanneld is not ready yet",
    });
    await server.close();
    expect(await readdir(directory)).toEqual([]);
  });

  it("names a path that cannot be a socket", async () => {
    await writeFile(join(directory, "file"), "");
    const path = join(directory, "file", "agent.sock");
    for (const bad of [directory, path]) {
      await expect(serveHealthOnSocket(bad, source(null))).rejects.toMatchObject({
        code: "ERR_SOCKET_FAILED",
        message: expect.stringContaining(`Cannot listen on ${bad}: E`) as string,
      });
    }
  });

  it("refuses headers that are too long", async () => {
    const path = join(directory, "agent.sock");
    const server = await serveHealthOnSocket(path, source(null));
    const headers = { "x-long": "a".repeat(5000) };
    expect((await ask({ socketPath: path, path: "/readyz", headers })).status).toBe(431);
    await server.close();
  });

  it("closes at once although a connection has sent half a request", async () => {
    const path = join(directory, "agent.sock");
    const server = await serveHealthOnSocket(path, source(null));
    const half = connect(path, () => half.write("GET /readyz HTTP/1.1\r\n"));
    const gone = new Promise((resolve) => half.on("close", resolve));
    await ask({ socketPath: path, path: "/healthz" }); // by then the server has the other connection too
    const startMs = performance.now();
    await server.close();
    await gone;
    expect(performance.now() - startMs).toBeLessThan(2_500); // its own limit for a request would be 3 s
  });
});
