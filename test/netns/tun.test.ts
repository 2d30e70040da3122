import { join } from "node:path";
import { constants } from "node:os";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EAGAIN, EBADFD } from "../../src/datapath/packet-io.ts";
import { buildCProgram } from "../support/build-c-program.ts";
import { eventually } from "../support/eventually.ts";
import { TUN_TAKES_UDP_RUNS } from "../support/kernel.ts";
import { NetworkNamespace } from "../support/network-namespace.ts";
import type { OpenTun, OpenTunOptions } from "../../src/datapath/tun.ts";
import { TunProcess } from "../support/tun-process.ts";
import type { TunProcessOptions } from "../support/tun-process.ts";

const { EBADF, EIO, EINVAL, EPERM } = constants.errno;
/** Longest IP packet, by its 16-bit total length (RFC 791 section 3.1). */
const MAX_IP_BYTES = 65_535;
const HEADER_BYTES = 28; // IPv4 and UDP
/** struct virtio_net_hdr (include/uapi/linux/virtio_net.h): flags, gso_type, and four 16-bit numbers. */
const VNET_HEADER_BYTES = 10;
const TCP_PROTOCOL = 6;
const MAX_READ_BYTES = VNET_HEADER_BYTES + MAX_IP_BYTES;

let namespace: NetworkNamespace;
let processes: TunProcess[];
/** A process in the namespace. */
let tun: TunProcess;

beforeEach(async () => {
  processes = [];
  namespace = await NetworkNamespace.create();
  tun = await start();
});
afterEach(async () => {
  for (const process of processes) await process.kill();
  await namespace[Symbol.asyncDispose]();
});

/** Another process in the namespace, killed after the test. */
async function start(options: TunProcessOptions = {}): Promise<TunProcess> {
  const process = await TunProcess.start(namespace, options);
  processes.push(process);
  return process;
}

interface LinkJson {
  readonly operstate: string;
  readonly linkinfo?: { readonly info_kind: string; readonly info_data: object };
  readonly stats64: { readonly rx: { readonly packets: number; readonly bytes: number } };
}

/** What iproute2 says about the device, or null when there is none. */
async function showLink(name: string): Promise<LinkJson | null> {
  const links = JSON.parse(await namespace.run("ip", ["-j", "-d", "-s", "link"])) as (LinkJson & {
    ifname: string;
  })[];
  return links.find((link) => link.ifname === name) ?? null;
}

/** Brings the device up with an address, so that 10.244.0.0/16 is routed to it. */
async function configure(name: string): Promise<void> {
  await namespace.run("ip", ["address", "add", "10.244.1.1/16", "dev", name]);
  await namespace.run("ip", ["link", "set", name, "up"]);
}

/** An IPv4 packet of `bytes` bytes for 10.244.1.1 in hex; its payload is zeros. */
function ipv4Packet(bytes: number): string {
  const packet = Buffer.alloc(bytes);
  Buffer.from("450000000000000040110000".padEnd(24, "0") + "0af401090af40101", "hex").copy(packet);
  packet.writeUInt16BE(bytes, 2);
  return packet.toString("hex");
}

/** Sum of RFC 1071 over the UDP datagram and its pseudo-header: 0 when the checksum is right. */
function udpChecksumError(packet: string): number {
  const bytes = Buffer.from(packet, "hex");
  const udpBytes = bytes.length - 20;
  let sum = 17 + udpBytes;
  for (let i = 12; i < bytes.length; i += 2)
    sum += i + 1 < bytes.length ? bytes.readUInt16BE(i) : (bytes[i] ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return 0xffff - sum;
}

/** The ways in which a TUN can be open. */
const KINDS = (["auto", "off"] as const).flatMap((offload) =>
  [1, 2].map((queues) => ({ offload, queues, isPersistent: true })),
);
const SWITCHES = KINDS.flatMap((from) => KINDS.map((to) => ({ from, to })));
const show = ({ offload, queues }: OpenTunOptions): string => `${offload} x ${queues}`;

/** Sends a datagram through the device and expects it as a TUN of this kind hands it over. */
async function expectDatagram(open: OpenTun): Promise<void> {
  // The kernel sees the carrier of a device that was up before somebody attached within a second, and drops until then.
  await eventually(async () => expect((await showLink("tw0"))?.operstate).not.toBe("DOWN"));
  await tun.call("sendDatagram", "10.244.2.2", 9, "0102030405");
  const { packet } = await tun.call("readNextOf", open.fds, MAX_READ_BYTES);
  const inner = open.hasVnetHeader ? packet.slice(2 * VNET_HEADER_BYTES) : packet;
  expect(inner).toMatch(/^45.{38}.{16}0102030405$/);
  // flags 1 (the checksum is to be finished), no GSO, from byte 20 at offset 6: little-endian.
  if (open.hasVnetHeader) expect(packet).toMatch(/^01000000000014000600/);
  else expect(udpChecksumError(inner)).toBe(0);
}

describe("openTun", () => {
  it("makes a persistent TUN with one queue, without packet information or virtio-net header", async () => {
    await tun.call("open", "tw0", true);
    expect((await showLink("tw0"))?.linkinfo).toEqual({
      info_kind: "tun",
      info_data: {
        type: "tun",
        pi: false,
        vnet_hdr: false,
        multi_queue: false,
        persist: true,
        user: "root",
      },
    });
  });

  it("makes one that goes with its descriptor when it is not persistent", async () => {
    const fd = await tun.call("open", "tw0", false);
    expect(await showLink("tw0")).not.toBeNull();
    await tun.call("close", fd);
    expect(await showLink("tw0")).toBeNull();
  });

  it("adopts, after SIGKILL, the device of its predecessor with its address and route", async () => {
    await tun.call("open", "tw0", true);
    await configure("tw0");
    await tun.kill();
    const successor = await start();
    await successor.call("open", "tw0", true);
    expect(await namespace.run("ip", ["route", "get", "10.244.2.2"])).toMatch(
      /^10\.244\.2\.2 dev tw0 src 10\.244\.1\.1/,
    );
  });

  it("refuses a device that another process is attached to, and does not touch it", async () => {
    await tun.call("open", "tw0", true);
    const second = await start();
    await expect(second.call("open", "tw0", false)).rejects.toMatchObject({
      code: "ERR_TUN_BUSY",
      message: "Cannot open TUN tw0: another process is attached to it",
    });
    expect((await showLink("tw0"))?.linkinfo?.info_data).toMatchObject({ persist: true });
  });

  it.each([
    ["a tap", ["tuntap", "add", "tw0", "mode", "tap"]],
    ["a TUN with several queues", ["tuntap", "add", "tw0", "mode", "tun", "multi_queue"]],
    ["a veth", ["link", "add", "tw0", "type", "veth", "peer", "name", "tw1"]],
  ])("refuses %s of the same name", async (_kind, ipArguments) => {
    await namespace.run("ip", ipArguments);
    await expect(tun.call("open", "tw0", true)).rejects.toMatchObject({
      code: "ERR_TUN_FAILED",
      message: "Cannot open TUN tw0: a device of this name exists that is not a TUN with a single queue",
    });
  });

  it.each(SWITCHES.map((pair) => ({ ...pair, name: `${show(pair.from)} to ${show(pair.to)}` })))(
    "overwrites what an earlier run left, or says that the device is of the other kind: $name",
    async ({ from, to }) => {
      await tun.call("closeTun", await tun.call("openTun", "tw0", from));
      await configure("tw0");

      const opening = tun.call("openTun", "tw0", to);

      if (from.queues !== to.queues) {
        const kind = to.queues === 1 ? "with a single queue" : "for several queues";
        const message = `Cannot open TUN tw0: a device of this name exists that is not a TUN ${kind}`;
        await expect(opening).rejects.toMatchObject({ code: "ERR_TUN_FAILED", message });
        return;
      }
      const opened = await opening;
      const hasVnetHeader = to.offload === "auto";
      expect(opened).toMatchObject({ hasVnetHeader, takesUdpRuns: hasVnetHeader && TUN_TAKES_UDP_RUNS });
      expect((await showLink("tw0"))?.linkinfo?.info_data).toMatchObject({
        vnet_hdr: hasVnetHeader,
        ...(to.queues === 1 ? { multi_queue: false } : { multi_queue: true, numqueues: 2 }),
      });
      await expectDatagram(opened);
    },
  );

  it("refuses a device for several queues while another process has one of them, which it keeps", async () => {
    const options = { isPersistent: true, queues: 2, offload: "auto" } as const;
    const opened = await tun.call("openTun", "tw0", options);
    await configure("tw0");
    const second = await start();
    for (const queues of [2, 1]) {
      await expect(
        second.call("openTun", "tw0", { ...options, queues, offload: "off" }),
      ).rejects.toMatchObject({
        code: "ERR_TUN_BUSY",
        message: "Cannot open TUN tw0: another process is attached to it",
      });
    }
    expect((await showLink("tw0"))?.linkinfo?.info_data).toMatchObject({ numqueues: 2, persist: true });
    await expectDatagram(opened);
    await tun.kill();
    expect(await second.call("openTun", "tw0", options)).toMatchObject({ hasVnetHeader: true });
  });

  it.each(["auto", "off"] as const)(
    "overwrites the offloads and the longer header that another program left, offload %s",
    async (offload) => {
      await using program = await buildCProgram(
        join(import.meta.dirname, "../support/tun-with-offloads.c"),
        [],
      );
      await namespace.run(program.path, ["tw0"]);
      const opened = await tun.call("openTun", "tw0", { isPersistent: true, queues: 1, offload });
      await configure("tw0");
      await expectDatagram(opened);
    },
  );

  it("owns the device it makes or adopts: when it is gone, no other user gets in", async () => {
    await using nobody = await buildCProgram(
      join(import.meta.dirname, "../support/attach-tun-as-nobody.c"),
      [],
    );
    const attach = async (name: string): Promise<number> => Number(await namespace.run(nobody.path, [name]));
    await namespace.run("ip", ["tuntap", "add", "adopted", "mode", "tun"]);
    expect(await attach("adopted")).toBe(0); // has no owner yet
    await tun.call("open", "adopted", true);
    await tun.call("open", "made", true);
    await tun.kill();
    for (const name of ["adopted", "made"]) {
      expect((await showLink(name))?.linkinfo?.info_data).toMatchObject({ persist: true, user: "root" });
      expect(await attach(name)).toBe(EPERM);
    }
  });

  it("says what is missing without CAP_NET_ADMIN", async () => {
    const unprivileged = await start({
      commandPrefix: ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"],
    });
    await expect(unprivileged.call("open", "tw0", true)).rejects.toMatchObject({
      code: "ERR_TUN_DENIED",
      message:
        "Cannot open TUN tw0: EPERM, the process needs CAP_NET_ADMIN and, in a container, the device /dev/net/tun",
    });
  });

  it("says what is missing without the device node", async () => {
    const hidden = await start({ commandPrefix: ["unshare", "--mount", "--"] });
    await hidden.call("hideDeviceNode");
    await expect(hidden.call("open", "tw0", true)).rejects.toMatchObject({
      code: "ERR_TUN_DENIED",
      message:
        "Cannot open TUN tw0: ENOENT, there is no /dev/net/tun: load the module tun or, in a container, add the device",
    });
  });
});

describe("writePacket on a TUN", () => {
  it("hands each packet to the kernel, up to the longest that IP has", async () => {
    const fd = await tun.call("open", "tw0", true);
    await configure("tw0");
    for (const bytes of [20, 1500, MAX_IP_BYTES]) {
      expect(await tun.call("write", fd, ipv4Packet(bytes))).toBe(bytes);
    }
    const link = await showLink("tw0");
    expect(link?.stats64.rx).toMatchObject({ packets: 3, bytes: 20 + 1500 + MAX_IP_BYTES });
  });

  it("refuses what is no IP packet, and everything while the device is down", async () => {
    const fd = await tun.call("open", "tw0", true);
    expect(await tun.call("write", fd, ipv4Packet(20))).toBe(-EIO);
    await configure("tw0");
    expect(await tun.call("write", fd, "")).toBe(-EINVAL);
    expect(await tun.call("write", fd, `00${ipv4Packet(20).slice(2)}`)).toBe(-EINVAL); // version 0
    expect((await showLink("tw0"))?.stats64.rx.packets).toBe(0);
  });
});

describe("readPacket on a TUN", () => {
  it("gives a packet that was routed to the device, whole", async () => {
    const fd = await tun.call("open", "tw0", true);
    await configure("tw0");
    expect((await tun.call("read", fd, 2000)).result).toBe(-EAGAIN);
    await tun.call("sendDatagram", "10.244.2.2", 9, "0102030405");
    const { errno, result, packet } = await tun.call("readNext", fd, 2000);
    expect([errno, result]).toEqual([0, HEADER_BYTES + 5]);
    expect(packet.slice(0, 2)).toBe("45"); // no 4 bytes of packet information before it
    expect(packet.slice(24, 40)).toBe("0af401010af40202"); // from 10.244.1.1 to 10.244.2.2
    expect(packet.slice(-10)).toBe("0102030405");
  });

  it("gives a TCP packet with its virtio-net header, which says what is left to do", async () => {
    const options = { isPersistent: true, queues: 1, offload: "auto" } as const;
    const { fds } = await tun.call("openTun", "tw0", options);
    await configure("tw0");
    await tun.call("sendSyn", "10.244.2.2", 9);
    const { packet } = await tun.call("readNextOf", fds, MAX_READ_BYTES);
    expect(packet).toMatch(/^01000000000014001000/); // checksum from byte 20 at offset 16
    const inner = Buffer.from(packet, "hex").subarray(VNET_HEADER_BYTES);
    expect([inner.readUInt8(0), inner.readUInt8(9), inner.readUInt16BE(2)]).toEqual([
      0x45,
      TCP_PROTOCOL,
      inner.length,
    ]);
  });

  it("cuts a packet at the buffer's end, and takes none when the buffer is empty", async () => {
    const fd = await tun.call("open", "tw0", true);
    await configure("tw0");
    await tun.call("sendDatagram", "10.244.2.2", 9, "0102030405");
    await eventually(async () => expect((await tun.call("read", fd, 0)).result).toBe(0));
    expect((await tun.call("readNext", fd, HEADER_BYTES)).result).toBe(HEADER_BYTES);
    expect((await tun.call("read", fd, 2000)).result).toBe(-EAGAIN);
  });
});

describe("a TUN that is deleted while it is open", () => {
  it("ends its watch with an errno and answers reads and writes with EBADFD", async () => {
    const fd = await tun.call("open", "tw0", true);
    await configure("tw0");
    const waiting = tun.call("readNext", fd, 2000);
    await namespace.run("ip", ["link", "delete", "tw0"]);
    expect(await waiting).toEqual({ errno: -EBADF, result: -EBADFD, packet: "" });
    expect(await tun.call("write", fd, ipv4Packet(20))).toBe(-EBADFD);
  });
});

describe("1,000 opens, watches and closes", () => {
  it.each([1, 2])("leave no descriptor and no thread, with %d queues", async (queues) => {
    const { before, after } = await tun.call("churn", "tw0", queues, 1000);
    expect(after).toEqual(before);
  });
});
