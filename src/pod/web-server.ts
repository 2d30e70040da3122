/**
 * What a pod runs when it is given no command: a web server that tells who asked. On Node.js, which is there wherever
 * twill is, so no image needs a program more.
 *
 *   GET  /     h1 10.244.7.2 was asked by 10.244.9.2
 *   POST /     the number of bytes that came, and their SHA-256
 */
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import { hostname } from "node:os";

/** Listens on all IPv4 addresses; on "::" it would show them as ::ffff:10.244.9.2. Port 0: any that is free. */
export async function startWebServer(port: number): Promise<Server> {
  const server = createServer((request, response) => {
    request.on("error", () => response.destroy()); // whoever asked is gone
    const { localAddress = "?", remoteAddress = "?" } = request.socket;
    if (request.method !== "POST") {
      response.end(`${hostname()} ${localAddress} was asked by ${remoteAddress}\n`);
      return;
    }
    digest(request, (text) => response.end(text));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, "0.0.0.0", resolve);
  });
  return server;
}

function digest(request: IncomingMessage, done: (text: string) => void): void {
  const hash = createHash("sha256");
  let bytes = 0;
  request.on("data", (piece: Buffer) => {
    bytes += piece.length;
    hash.update(piece);
  });
  request.on("end", () => done(`${bytes} ${hash.digest("hex")}\n`));
}
