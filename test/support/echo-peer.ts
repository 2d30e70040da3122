/**
 * Data there and back between two pods, a process for each end:
 *
 *   node echo-peer.ts serve PORT                       gives back all it gets, by TCP and by UDP; says "ready"
 *   node echo-peer.ts tcp ADDRESS PORT BYTES           one stream
 *   node echo-peer.ts udp ADDRESS PORT BYTES COUNT     datagrams of BYTES each, one after the other
 *
 * The last two end with code 0 when all came back as it was sent, and say what differs otherwise.
 */
import { createHash, randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer } from "node:net";

/** A fragment may be lost on a busy machine; the datagram is then sent again. */
const RESEND_AFTER_MS = 500;
const MAX_SENDS = 10;
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;

async function serve(port: number): Promise<void> {
  const socket = createSocket("udp4", (datagram, from) => {
    socket.send(datagram, from.port, from.address);
  });
  socket.bind(port);
  await once(socket, "listening");
  socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
  const server = createServer((stream) => stream.pipe(stream));
  server.listen(port);
  await once(server, "listening");
  process.stdout.write("ready\n");
}

async function exchangeStream(address: string, port: number, bytes: number): Promise<void> {
  const sent = randomBytes(bytes);
  const stream = connect({ host: address, port });
  const hash = createHash("sha256");
  let received = 0;
  stream.on("data", (chunk: Buffer) => {
    received += chunk.length;
    hash.update(chunk);
  });
  stream.end(sent);
  await once(stream, "end");
  const isSame = hash.digest("hex") === createHash("sha256").update(sent).digest("hex");
  if (!isSame) throw new Error(`Sent ${bytes} bytes, got ${received} other ones`);
}

async function exchangeDatagrams(address: string, port: number, bytes: number, count: number): Promise<void> {
  const socket = createSocket({ type: "udp4", recvBufferSize: SOCKET_BUFFER_BYTES });
  socket.connect(port, address);
  await once(socket, "connect");
  for (let i = 0; i < count; i++) {
    const sent = randomBytes(bytes);
    let sends = 0;
    const send = (): void => {
      if (++sends > MAX_SENDS) socket.emit("error", new Error(`Datagram ${i} did not come back`));
      else socket.send(sent);
    };
    const timer = setInterval(send, RESEND_AFTER_MS);
    send();
    for (;;) {
      const [received] = (await once(socket, "message")) as [Buffer];
      if (received.equals(sent)) break; // others are those that were sent again, late
    }
    clearInterval(timer);
  }
  socket.close();
}

const [mode = "", ...args] = process.argv.slice(2);
if (mode === "serve") await serve(Number(args[0]));
else if (mode === "tcp") await exchangeStream(args[0] ?? "", Number(args[1]), Number(args[2]));
else await exchangeDatagrams(args[0] ?? "", Number(args[1]), Number(args[2]), Number(args[3]));
