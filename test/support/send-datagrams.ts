/**
 * Sends the same datagram some times, and ends when the kernel took them:
 * `node send-datagrams.ts SOURCE SOURCEPORT TARGET PORT COUNT PAYLOAD`, with the payload in hex; the kernel chooses a
 * source port of 0.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";

const [source, sourcePort, target, port, count, payload = ""] = process.argv.slice(2);
const socket = createSocket("udp4");
socket.bind(Number(sourcePort), source);
await once(socket, "listening");
for (let i = 0; i < Number(count); i++) {
  await new Promise<void>((resolve, reject) => {
    socket.send(Buffer.from(payload, "hex"), Number(port), target, (err) => {
      if (err === null) resolve();
      else reject(err);
    });
  });
}
socket.close();
