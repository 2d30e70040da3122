/** A Docker engine whose answers come when and how a test wants: what real ones do now and then. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { Server, ServerResponse } from "node:http";

const INSPECT_PATH = /^\/containers\/([0-9a-f]{64})\/json$/;

/** The three answers of an engine's API that are read, in the place of Docker. */
export class ScriptedEngine {
  /** Body of the next lists. */
  list = "[]";
  status = 200;
  /** Lists are asked for in vain. */
  isSilent = false;
  looks = 0;
  /** Answers about one container by its id: a body, or null for none ever. */
  readonly details = new Map<string, string | null>();
  /** Ids of containers that were asked for alone. */
  readonly inspected: string[] = [];
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
      } else this.#tellContainer(INSPECT_PATH.exec(request.url ?? "")?.[1] ?? "", response);
    });
    this.#server.listen(socketPath);
    await once(this.#server, "listening");
  }

  /** One container each, with 10.244.5.2 and the next ones. */
  runs(...names: readonly string[]): void {
    this.runsWithAliases(Object.fromEntries(names.map((name) => [name, []])));
  }

  /** The same, with aliases. */
  runsWithAliases(containers: Readonly<Record<string, readonly string[]>>, start = 1): void {
    const all = Object.entries(containers).map(([name, aliases], i) => {
      const Id = containerId(i);
      const endpoint = { EndpointID: `endpoint-${i}-${start}`, IPAddress: `10.244.5.${i + 2}` };
      const settings = (Aliases: readonly string[] | null) => ({
        Networks: { overlay: { ...endpoint, Aliases } },
      });
      this.details.set(Id, JSON.stringify({ Id, NetworkSettings: settings([...aliases, Id.slice(0, 12)]) }));
      return { Id, Names: [`/${name}`], Labels: {}, NetworkSettings: settings(null) };
    });
    this.list = JSON.stringify(all);
  }

  #tellContainer(id: string, response: ServerResponse): void {
    const detail = this.details.get(id);
    this.inspected.push(id);
    if (detail === undefined) response.writeHead(404).end();
    else if (detail !== null) response.end(detail);
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

/** Of the container at this place of the list, as Docker's ids look. */
export function containerId(index: number): string {
  return (index + 1).toString(16).padStart(64, "3bd7c2f2a3bb");
}
