import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";

/** A relay on the loopback address that can lose what it should carry, without a word to either side. */
export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #lost = new Set<Socket>();
  #isRefusing = false;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Starts a relay to `http://host:port`. */
  static async start(targetUrl: string): Promise<TcpProxy> {
    const target = new URL(targetUrl);
    const server = createServer((client) =>
      proxy.#relay(client, connect(Number(target.port), target.hostname)),
    );
    const proxy = new TcpProxy(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Sockets open on either side. */
  get socketCount(): number {
    return this.#sockets.size;
  }

  /** Loses everything on the connections that stand; new ones work. */
  blackholeConnections(): void {
    this.#lost = new Set(this.#sockets);
  }

  /** Breaks every connection; new ones work. */
  breakConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** True: breaks every connection, new ones too. */
  refuse(isRefusing: boolean): void {
    this.#isRefusing = isRefusing;
    if (isRefusing) this.breakConnections();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.breakConnections();
    await once(this.#server, "close");
  }

  #relay(client: Socket, upstream: Socket): void {
    if (this.#isRefusing) {
      client.destroy();
      upstream.destroy();
      return;
    }
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(from);
      from.on("data", (chunk) => {
        if (!this.#lost.has(from)) to.write(chunk);
      });
      from.on("error", () => undefined); // its "close" follows
      from.on("close", () => {
        this.#sockets.delete(from);
        if (!this.#lost.has(from)) to.destroy();
      });
    }
  }
}
