/** Ports of the loopback address for the servers of tests. */
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import type { ListenOptions } from "node:net";

const LOWEST_PORT = 10_000;
/** To choose from where the kernel's own range begins further down. */
const LEAST_CHOICE = 5_000;

/**
 * A port of 127.0.0.1, for TCP and UDP, that nobody listens on and that no other test has or gets while this process lives.
 * It is not one that the kernel gives to whoever asks for any: a client would take it before its server, or while that
 * restarts, and one that connects to a dead port could even get the same for its own end, and talk to itself.
 */
export async function freePort(): Promise<number> {
  const [firstOfKernel] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split("\t");
  const end = Math.max(Number(firstOfKernel), LOWEST_PORT + LEAST_CHOICE);
  for (;;) {
    const port = randomInt(LOWEST_PORT, end);
    if ((await isClaimed(port)) && (await isFree(port))) return port;
  }
}

/** Makes the port this process's own among the tests, by a socket without a file; false when another has it. */
async function isClaimed(port: number): Promise<boolean> {
  const claim = createServer().unref();
  return await succeeds(claim, () => claim.listen({ path: `\0twill-test-port-${port}` }));
}

async function isFree(port: number): Promise<boolean> {
  const address: ListenOptions = { host: "127.0.0.1", port };
  const server = createServer();
  if (!(await succeeds(server, () => server.listen(address)))) return false;
  server.close();
  await once(server, "close");
  const socket = createSocket("udp4");
  const isBound = await succeeds(socket, () => socket.bind(port, "127.0.0.1"));
  socket.close();
  await once(socket, "close");
  return isBound;
}

/** Whether it comes to listen. */
async function succeeds(emitter: EventEmitter, listen: () => unknown): Promise<boolean> {
  const listening = once(emitter, "listening");
  listen();
  return await listening.then(
    () => true,
    () => false,
  );
}
