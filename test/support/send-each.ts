/** Sends datagrams, each of its own bytes: `node send-each.ts SOURCE TARGET PORT HEX...`. The kernel chooses the source port. */
import { createSocket } from "node:dgram";
import { once } from "node:events";

const [source, target, port, ...datagrams] = process.argv.slice(2);
const socket = createSocket("udp4");
socket.bind(0, source);
await once(socket, "listening");
for (const hex of datagrams) {
  await new Promise<void>((resolve, reject) => {
    socket.send(Buffer.from(hex, "hex"), Number(port), target, (err) => {
      if (err === null) resolve();
      else reject(err);
    });
  });
}
socket.close();
