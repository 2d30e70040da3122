/** The other side of tun-process.ts. Packets travel as hex text. */
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { closeSync, readlinkSync } from "node:fs";
import { connect } from "node:net";
import { OverlayError } from "../../src/net/overlay-error.ts";
import { readPacket, writePacket } from "../../src/datapath/packet-io.ts";
import { watchReadable } from "../../src/addon/readable-watch.ts";
import { closeTun, openTun } from "../../src/datapath/tun.ts";
import type { OpenTun, OpenTunOptions } from "../../src/datapath/tun.ts";
import { countDescriptors, threadIds, threadsSince } from "./process-resources.ts";
import type { TunReply } from "./tun-process.ts";

/** One packet, or the negative errno that a read gave. */
export interface ReadResult {
  readonly result: number;
  readonly packet: string;
}

const operations = {
  /** A TUN with one queue and bare packets: its descriptor. */
  open: (name: string, isPersistent: boolean): number =>
    openTun(name, { isPersistent, queues: 1, offload: "off" }).fds[0] ?? -1,
  openTun: (name: string, options: OpenTunOptions): OpenTun => openTun(name, options),
  closeTun: (tun: OpenTun): void => closeTun(tun),
  close: (fd: number): void => closeSync(fd),

  write(fd: number, packet: string): number {
    const bytes = Buffer.from(packet, "hex");
    return writePacket(fd, bytes, 0, bytes.length);
  },

  read(fd: number, size: number): ReadResult {
    const buffer = Buffer.alloc(size);
    const result = readPacket(fd, buffer, 0, size);
    return { result, packet: buffer.toString("hex", 0, Math.max(result, 0)) };
  },

  /** Waits for the watch, then reads; `errno` is what the watch said. */
  async readNext(fd: number, size: number): Promise<ReadResult & { readonly errno: number }> {
    return await operations.readNextOf([fd], size);
  },

  /** The same of the first of these queues that has something. */
  async readNextOf(fds: readonly number[], size: number): Promise<ReadResult & { readonly errno: number }> {
    const { promise, resolve } = Promise.withResolvers<readonly [fd: number, errno: number]>();
    const watches = fds.map((fd) => watchReadable(fd, (errno) => resolve([fd, errno])));
    const [fd, errno] = await promise;
    for (const watch of watches) watch.close();
    return { errno, ...operations.read(fd, size) };
  },

  /** Sends a UDP datagram the way a container's would leave: by the routes of the namespace. */
  async sendDatagram(address: string, port: number, payload: string): Promise<void> {
    const socket = createSocket("udp4");
    await new Promise((resolve) => socket.send(Buffer.from(payload, "hex"), port, address, resolve));
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  },

  /** Begins a TCP connection that nobody answers, and lets go of it. */
  async sendSyn(address: string, port: number): Promise<void> {
    const socket = connect(port, address).on("error", () => undefined);
    await new Promise((resolve) => setImmediate(resolve)); // the call that sends is made
    socket.destroy();
  },

  /** Makes /dev/net empty for this process, which must be in a mount namespace of its own. */
  hideDeviceNode(): void {
    const [ours, parents] = ["self", process.ppid].map((pid) => readlinkSync(`/proc/${pid}/ns/mnt`));
    if (ours === parents) throw new Error("Cannot hide /dev/net: the mount namespace is our parent's");
    execFileSync("mount", ["-t", "tmpfs", "none", "/dev/net"]);
  },

  /** Opens, watches and closes the same TUN over and over; gives descriptors and new threads before and after. */
  async churn(name: string, queues: number, times: number): Promise<{ before: number[]; after: number[] }> {
    await churnOnce(name, queues); // what the first use of anything keeps is not a leak
    const threads = threadIds();
    const held = (): number[] => [countDescriptors(), threadsSince(threads).length];
    const before = held();
    for (let i = 0; i < times; i++) await churnOnce(name, queues);
    return { before, after: held() };
  },
};

export type TunOperations = typeof operations;
/** As IPC sees them: tun-process.ts checks the types of names and arguments. */
const untyped = operations as unknown as Record<keyof TunOperations, (...args: unknown[]) => unknown>;

async function churnOnce(name: string, queues: number): Promise<void> {
  const tun = openTun(name, { isPersistent: true, queues, offload: queues > 1 ? "auto" : "off" });
  for (const fd of tun.fds) watchReadable(fd, () => undefined).close();
  closeTun(tun);
  await new Promise((resolve) => setImmediate(resolve)); // the loop lets go of the watch
}

async function answer(request: { name: keyof TunOperations; args: unknown[] }): Promise<TunReply> {
  try {
    return { ok: true, value: await untyped[request.name](...request.args) };
  } catch (err) {
    if (!(err instanceof Error)) throw err;
    return { ok: false, code: err instanceof OverlayError ? err.code : err.name, message: err.message };
  }
}

process.on("message", (request: { name: keyof TunOperations; args: unknown[] }) => {
  void answer(request).then((reply) => process.send?.(reply));
});
process.on("disconnect", () => process.exit()); // the test is gone
process.send?.("ready");
