/** A Docker engine whose answers come when and how a test wants: what real ones do now and then. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { Server, ServerResponse } from "node:http";

/** The two answers of an engine's API that are read, in the place of Docker. */
export class ScriptedEngine {
  /** Body of the next lists. */
  list = "[]";
  status = 200;
  /** Lists are asked for in vain. */
  isSilent = false;
  looks = 0;
  /** Streams of events that were asked for. */
  streams = 0;
  readonly #streams = new Set<ServerResponse>();
  #server: Server | null = null;

  async start(socketPath: string): Promise<void> {
    this.#server = createServer((request, response) => {
      if (request.url?.startsWith("/events?filters=") === true) {
        this.streams++;
        response.flushHeaders();
        this.#streams.add(response);
      } else if (request.url === "/containers/json") {
        this.looks++;
        if (!this.isSilent) response.writeHead(this.status).end(this.list);
      } else response.writeHead(404).end();
    });
    this.#server.listen(socketPath);
    await once(this.#server, "listening");
  }

  runs(...names: readonly string[]): void {
    this.list = JSON.stringify(
      names.map((name, i) => ({
        Names: [`/${name}`],
        Labels: {},
        NetworkSettings: { Networks: { overlay: { IPAddress: `10.244.5.${i + 2}` } } },
      })),
    );
  }

  tellEvent(): void {
    for (const stream of this.#streams) stream.write('{"Type":"container","Action":"die"}\n');
  }

  endStreams(): void {
    for (const stream of this.#streams) stream.end();
    this.#streams.clear();
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    this.#streams.clear();
    if (server === null) return;
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  }
}
