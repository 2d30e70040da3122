/** The client against servers that answer well, badly, slowly and not at all. */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NoAnswerError, askSocket } from "../../../src/local-http/ask-socket.ts";
import type { SocketAnswer, SocketRequest } from "../../../src/local-http/ask-socket.ts";
import { eventually } from "../../support/eventually.ts";

const MAX_ANSWER_BYTES = 1000;
/** Below the 5 s after which the server ends a connection that is left open. */
const IDLE_TIMEOUT_MS = 4000;

let directory: string;
let socketPath: string;
let server: Server;
let respond: (request: IncomingMessage, response: ServerResponse) => void;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "twill-ask-socket-"));
  socketPath = join(directory, "server.sock");
  server = createServer((request, response) => respond(request, response));
  server.listen(socketPath);
  await once(server, "listening");
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  rmSync(directory, { recursive: true });
});

async function ask(differences: Partial<SocketRequest> = {}): Promise<SocketAnswer> {
  const bounds = { deadlineMs: 5000, maxAnswerBytes: MAX_ANSWER_BYTES };
  return await askSocket({ socketPath, path: "/status", ...bounds, ...differences });
}

async function reasonOf(answer: Promise<unknown>): Promise<NoAnswerError> {
  const err = await answer.then(
    () => new Error("it was answered"),
    (one: unknown) => one,
  );
  if (err instanceof NoAnswerError) return err;
  throw err;
}

async function connections(): Promise<number> {
  return await new Promise((resolve, reject) =>
    server.getConnections((err, count) => (err === null ? resolve(count) : reject(err))),
  );
}

describe("askSocket", () => {
  it("gives status, headers and body, whatever the status is, and leaves no connection", async () => {
    respond = ({ method, url }, response) =>
      response.writeHead(503, { "x-reason": "busy" }).end(`${method ?? ""} ${url ?? ""} \u00e4`);
    const answer = await ask();
    expect(answer).toMatchObject({ status: 503, body: "GET /status \u00e4" });
    expect(answer.headers["x-reason"]).toBe("busy");
    await eventually(async () => expect(await connections()).toBe(0), { timeoutMs: IDLE_TIMEOUT_MS });
  });

  it("sends a body by POST", async () => {
    respond = (request, response) => {
      response.write(`${request.method ?? ""} `);
      request.pipe(response);
    };
    expect((await ask({ body: '{"a":1}' })).body).toBe('POST {"a":1}');
  });

  it("takes an answer of the bound, and no byte more", async () => {
    let bytes = MAX_ANSWER_BYTES;
    respond = (_, response) => response.end("x".repeat(bytes));
    expect((await ask()).body).toHaveLength(MAX_ANSWER_BYTES);
    bytes++;
    const { message, code } = await reasonOf(ask());
    expect([message, code]).toEqual([`the answer is longer than ${MAX_ANSWER_BYTES} bytes`, null]);
    await eventually(async () => expect(await connections()).toBe(0));
  });

  it("gives up when its signal is aborted, with the signal's reason", async () => {
    const stop = new AbortController();
    const reason = new Error("stopped");
    respond = () => stop.abort(reason); // and answers nothing
    await expect(ask({ signal: stop.signal })).rejects.toBe(reason);
    await expect(ask({ signal: stop.signal })).rejects.toBe(reason); // aborted before
    await eventually(async () => (await connections()) === 0, { timeoutMs: IDLE_TIMEOUT_MS });
  });

  it("gives up at the deadline a server that is silent, and one that does not come to an end", async () => {
    for (const start of ["", "beginning"]) {
      respond = (_, response) => (start === "" ? undefined : void response.write(start));
      const { message, isAbsent, isDenied } = await reasonOf(ask({ deadlineMs: 50 }));
      expect([message, isAbsent, isDenied]).toEqual(["no answer within 50 ms", false, false]);
      await eventually(async () => expect(await connections()).toBe(0));
    }
  });

  it("does not take a part for the whole", async () => {
    respond = (_, response) => {
      response.writeHead(200, { "content-length": 100 });
      response.write("half", () => response.destroy());
    };
    expect((await reasonOf(ask())).code).toBe("ECONNRESET");
  });

  it("knows a server that is not there", async () => {
    const nobody = await reasonOf(ask({ socketPath: join(directory, "nobody.sock") }));
    expect([nobody.isAbsent, nobody.code]).toEqual([true, "ENOENT"]);
    const file = join(directory, "file");
    writeFileSync(file, "");
    const refused = await reasonOf(ask({ socketPath: file }));
    expect([refused.isAbsent, refused.code]).toEqual([true, "ECONNREFUSED"]);
  });
});
