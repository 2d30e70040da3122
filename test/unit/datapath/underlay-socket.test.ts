import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { once } from "node:events";
import { closeSync, readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { adoptUnderlaySocket, openUnderlaySocket } from "../../../src/datapath/underlay-socket.ts";
import { openPacketPair } from "../../../src/datapath/packet-io.ts";
import { Ipv4Address } from "../../../src/net/ipv4.ts";
import { countDescriptors } from "../../support/process-resources.ts";

const LOOPBACK = new Ipv4Address(0x7f000001);
const NOBODYS = new Ipv4Address(0xc0000201); // 192.0.2.1 (RFC 5737)
let sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets) await new Promise<void>((resolve) => socket.close(() => resolve()));
  sockets = [];
});

function open(port = 0, address = LOOPBACK): number {
  return openUnderlaySocket({ address, port, receiveBufferBytes: 50_000, sendBufferBytes: 60_000 });
}

/** An adopted socket on a free port that is closed after the test. */
function openSocket(): Socket {
  const socket = adoptUnderlaySocket(open());
  sockets.push(socket);
  return socket;
}

describe("openUnderlaySocket", () => {
  it("says that the port is taken", () => {
    const { port } = openSocket().address();
    expect(() => open(port)).toThrow(
      expect.objectContaining({
        code: "ERR_SOCKET_FAILED",
        message: `Cannot open UDP socket 127.0.0.1:${port}: another process has it`,
        fields: { address: "127.0.0.1", port, errno: "EADDRINUSE" },
      }),
    );
  });

  it("says that the host does not have the address", () => {
    expect(() => open(0, NOBODYS)).toThrow(
      "Cannot open UDP socket 192.0.2.1:0: this host does not have the address",
    );
  });

  it("gives a non-blocking descriptor that programs we start do not inherit", () => {
    const fd = open();
    const flags = Number.parseInt(
      /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "",
      8,
    );
    expect(flags & 0o4000).toBe(0o4000); // O_NONBLOCK
    expect(flags & 0o2000000).toBe(0o2000000); // O_CLOEXEC
    closeSync(fd);
  });
});

describe("adoptUnderlaySocket", () => {
  it("carries datagrams both ways between two adopted descriptors", async () => {
    const [one, other] = [openSocket(), openSocket()];
    other.on("message", (datagram, from) =>
      other.send(`${datagram.toString()} back`, from.port, from.address),
    );
    one.send("there and", other.address().port, "127.0.0.1");
    const [datagram] = (await once(one, "message")) as [Buffer];
    expect(datagram.toString()).toBe("there and back");
  });

  it("delivers what came before it was adopted", async () => {
    const fd = open();
    const sender = openSocket();
    const socket = adoptUnderlaySocket(fd);
    sockets.push(socket);
    const message = once(socket, "message");
    sender.send("early", socket.address().port, "127.0.0.1");
    expect(String(((await message) as [Buffer])[0])).toBe("early");
  });

  it("keeps the sizes of the queues, which the kernel shows doubled", () => {
    const socket = openSocket();
    expect(socket.getRecvBufferSize()).toBe(100_000);
    expect(socket.getSendBufferSize()).toBe(120_000);
  });

  it("does not let another socket share the port and take the datagrams", async () => {
    const thief = createSocket({ type: "udp4", reuseAddr: true });
    thief.bind(openSocket().address().port, "127.0.0.1");
    const [err] = (await once(thief, "error")) as [NodeJS.ErrnoException];
    expect(err.code).toBe("EADDRINUSE");
    thief.close();
  });

  it("closes the descriptor with the socket", async () => {
    const before = countDescriptors();
    const socket = adoptUnderlaySocket(open());
    expect(countDescriptors()).toBe(before + 1);
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    expect(countDescriptors()).toBe(before);
  });

  it("closes a descriptor that it cannot adopt", () => {
    const before = countDescriptors();
    const [notUdp, other] = openPacketPair();
    expect(() => adoptUnderlaySocket(notUdp)).toThrow(
      expect.objectContaining({
        code: "ERR_SOCKET_FAILED",
        message: `Cannot adopt descriptor ${notUdp} as UDP socket`,
      }),
    );
    closeSync(other);
    expect(countDescriptors()).toBe(before);
  });
});
