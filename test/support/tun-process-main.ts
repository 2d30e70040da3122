/** The other side of tun-process.ts. Packets travel as hex text. */
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { closeSync, readlinkSync } from "node:fs";
import { OverlayError } from "../../src/net/overlay-error.ts";
import { readPacket, writePacket } from "../../src/datapath/packet-io.ts";
import { watchReadable } from "../../src/datapath/readable-watch.ts";
import { openTun } from "../../src/datapath/tun.ts";
import { countDescriptors, countThreads } from "./process-resources.ts";
import type { TunReply } from "./tun-process.ts";

/** One packet, or the negative errno that a read gave. */
export interface ReadResult {
  readonly result: number;
  readonly packet: string;
}

const operations = {
  open: (name: string, isPersistent: boolean): number => openTun(name, { isPersistent }),
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
    const errno = await new Promise<number>((resolve) => {
      const watch = watchReadable(fd, (status) => {
        watch.close();
        resolve(status);
      });
    });
    return { errno, ...operations.read(fd, size) };
  },

  /** Sends a UDP datagram the way a container's would leave: by the routes of the namespace. */
  async sendDatagram(address: string, port: number, payload: string): Promise<void> {
    const socket = createSocket("udp4");
    await new Promise((resolve) => socket.send(Buffer.from(payload, "hex"), port, address, resolve));
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  },

  /** Makes /dev/net empty for this process, which must be in a mount namespace of its own. */
  hideDeviceNode(): void {
    const [ours, parents] = ["self", process.ppid].map((pid) => readlinkSync(`/proc/${pid}/ns/mnt`));
    if (ours === parents) throw new Error("Cannot hide /dev/net: the mount namespace is our parent's");
    execFileSync("mount", ["-t", "tmpfs", "none", "/dev/net"]);
  },

  /** Opens, watches and closes the same TUN over and over; gives descriptors and threads before and after. */
  async churn(name: string, times: number): Promise<{ before: number[]; after: number[] }> {
    const held = (): number[] => [countDescriptors(), countThreads()];
    await churnOnce(name); // what the first use of anything keeps is not a leak
    const before = held();
    for (let i = 0; i < times; i++) await churnOnce(name);
    return { before, after: held() };
  },
};

export type TunOperations = typeof operations;
/** As IPC sees them: tun-process.ts checks the types of names and arguments. */
const untyped = operations as unknown as Record<keyof TunOperations, (...args: unknown[]) => unknown>;

async function churnOnce(name: string): Promise<void> {
  const fd = openTun(name, { isPersistent: true });
  watchReadable(fd, () => undefined).close();
  closeSync(fd);
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
