/** The DNS server's sockets: UDP and TCP on one address, answers for askers that are allowed to ask. */
import { createSocket } from "node:dgram";
import type { RemoteInfo, Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import type { Server, Socket as TcpSocket } from "node:net";
import type { Logger } from "pino";
import { BoundedLines } from "../../net/bounded-lines.ts";
import type { Clock } from "../../net/clock.ts";
import { Ipv4Address } from "../../net/ipv4.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { MAX_QUERY_BYTES, answerQuery } from "./answer-query.ts";
import type { Zone } from "./plan-reply.ts";

/** Askers come by TCP for long answers only, and each is answered at once. */
const MAX_CONNECTIONS = 64;
const CONNECTION_DEADLINE_MS = 5_000;
const LENGTH_BYTES = 2;
/** What is refused to strangers or dropped is counted, and told as a number. */
const COUNT_LINES = { maxLines: 0, windowMs: 60_000 };

export interface DnsServerOptions {
  readonly address: Ipv4Address;
  readonly port: number;
  readonly zone: Zone;
  /** Others are refused at once, whatever they ask: a container of another bridge goes on to its next name server. */
  readonly isAllowed: (asker: Ipv4Address) => boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Who asked in vain, or what was no question. */
type Unanswered = "stranger" | "malformed";

export class DnsServer {
  readonly #options: DnsServerOptions;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #closing = new AbortController();
  readonly #counts: BoundedLines;
  #rotation = 0;

  private constructor(options: DnsServerOptions) {
    this.#options = options;
    this.#counts = new BoundedLines(COUNT_LINES, (counts) =>
      options.log.warn(counts, "Questions not answered"),
    );
    this.#udp = createSocket("udp4", (message, from) => this.#onDatagram(message, from));
    this.#tcp = createServer((socket) => void this.#serve(socket));
    this.#tcp.maxConnections = MAX_CONNECTIONS;
  }

  /** A server that answers. @throws {OverlayError} `ERR_SOCKET_FAILED`; field `errno` says why */
  static async open(options: DnsServerOptions): Promise<DnsServer> {
    const server = new DnsServer(options);
    try {
      await server.#listen();
    } catch (err) {
      await server.close();
      throw listenError(options, err);
    }
    for (const socket of [server.#udp, server.#tcp])
      socket.on("error", (err: Error) => options.log.warn({ err }, "Trouble with the DNS server's socket"));
    return server;
  }

  /** Tells of what was not answered, if it is time to. */
  tellCounts(): void {
    this.#counts.flush(this.#options.clock.nowMs());
  }

  /** Nothing is answered any more, and no handle is left. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([
      new Promise<void>((resolve) => this.#udp.close(() => resolve())),
      new Promise<void>((resolve) => this.#tcp.close(() => resolve())),
    ]);
  }

  async #listen(): Promise<void> {
    const address = this.#options.address.toString();
    const { port } = this.#options;
    this.#udp.bind({ address, port, exclusive: true });
    await once(this.#udp, "listening");
    this.#tcp.listen({ host: address, port, exclusive: true });
    await once(this.#tcp, "listening");
  }

  #onDatagram(message: Buffer, { address, port }: RemoteInfo): void {
    const answer = this.#answer(message, address, "udp");
    if (answer === null) this.#count("malformed");
    else this.#udp.send(answer, port, address, () => undefined); // lost, as datagrams may be: the asker asks again
  }

  async #serve(socket: TcpSocket): Promise<void> {
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(CONNECTION_DEADLINE_MS)]);
    const end = (): void => void socket.destroy();
    signal.addEventListener("abort", end, { once: true });
    socket.on("error", () => undefined); // the loop below sees it
    try {
      for await (const message of readMessages(socket)) await this.#reply(socket, message, signal);
    } catch {
      // The asker has gone, or its time is over.
    } finally {
      signal.removeEventListener("abort", end);
      socket.destroy();
    }
  }

  /** Who does not read its answers is not read from. @throws when the message is no question */
  async #reply(socket: TcpSocket, message: Buffer | null, signal: AbortSignal): Promise<void> {
    const answer = message === null ? null : this.#answer(message, socket.remoteAddress ?? "", "tcp");
    if (answer === null) {
      this.#count("malformed");
      throw new RangeError("Cannot answer: it is no question");
    }
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt16BE(answer.length);
    if (!socket.write(Buffer.concat([length, answer]))) await once(socket, "drain", { signal });
  }

  #answer(message: Buffer, asker: string, transport: "udp" | "tcp"): Buffer | null {
    const { zone, isAllowed } = this.#options;
    const address = Ipv4Address.parse(asker);
    const isStranger = address === null || !isAllowed(address);
    if (isStranger) this.#count("stranger");
    this.#rotation = (this.#rotation + 1) % Number.MAX_SAFE_INTEGER;
    return answerQuery(message, isStranger ? null : zone, { transport, rotation: this.#rotation });
  }

  #count(kind: Unanswered): void {
    this.#counts.addEach([{ kind, write: () => undefined }], this.#options.clock.nowMs());
  }
}

/** Messages of a stream, each behind its length; null for one that is too long, which is the last. */
async function* readMessages(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer | null> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + rest.readUInt16BE(0);
      if (end > LENGTH_BYTES + MAX_QUERY_BYTES) {
        yield null;
        return;
      }
      if (rest.length < end) break;
      yield rest.subarray(LENGTH_BYTES, end);
      rest = rest.subarray(end);
    }
  }
}

function listenError({ address, port }: DnsServerOptions, cause: unknown): OverlayError {
  const errno = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
  const where = `${address.toString()} port ${port}`;
  const message = `Cannot answer on ${where}: ${ADVICE.get(errno) ?? errno}`;
  return new OverlayError("ERR_SOCKET_FAILED", message, { errno }, { cause });
}

const ADVICE: ReadonlyMap<string, string> = new Map([
  ["EADDRNOTAVAIL", "no interface has the address yet; make the Docker network on this host's subnet"],
  ["EADDRINUSE", "another DNS server has it; keep that off the address, or give --listen"],
  ["EACCES", "a port below 1024 needs CAP_NET_BIND_SERVICE"],
]);
