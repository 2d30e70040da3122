/** The DNS server's sockets, asked on loopback by Node's own resolver and by hand. */
import { createSocket } from "node:dgram";
import type { Socket as UdpSocket } from "node:dgram";
import { promises as dns } from "node:dns";
import { once } from "node:events";
import { connect } from "node:net";
import { decode, encode, streamEncode } from "dns-packet";
import type { Packet } from "dns-packet";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/agent/process/system-clock.ts";
import { DnsServer } from "../../src/names/dns/dns-server.ts";
import type { DnsServerOptions } from "../../src/names/dns/dns-server.ts";
import type { Ipv4Address } from "../../src/net/ipv4.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { addressOf } from "../support/ipv4.ts";
import { recordLog } from "../support/log-lines.ts";

const LOOPBACK = addressOf("127.0.0.1");
/** More addresses than one datagram holds. */
const MANY = Array.from({ length: 200 }, (_, i) => `10.244.${i}.2`);
const NAMES: ReadonlyMap<string, readonly string[]> = new Map([
  ["web", ["10.244.5.2"]],
  ["many", MANY],
]);
const ZONE = {
  name: "twill",
  find: (name: string) => NAMES.get(name)?.map(addressOf) ?? null,
  findOwner: (address: Ipv4Address) => (address.toString() === "10.244.5.2" ? "web" : null),
};
const REFUSED = 5;
/** Below the 5 s after which every connection ends. */
const AT_ONCE_MS = 4_000;
const QUESTION: Packet = { type: "query", id: 1, questions: [{ name: "web.twill", type: "A" }] };

function show(answer: Buffer): { rcode: number; answers: unknown } {
  return { rcode: answer.readUInt16BE(2) & 15, answers: decode(answer).answers };
}

describe("DnsServer", () => {
  const { log, lines } = recordLog();
  let options: DnsServerOptions;
  let server: DnsServer;
  let resolver: dns.Resolver;

  beforeEach(async () => {
    const port = await freePort();
    const isAllowed = LOOPBACK.equals.bind(LOOPBACK);
    options = { address: LOOPBACK, port, zone: ZONE, isAllowed, clock: systemClock, log };
    lines.length = 0;
    server = await DnsServer.open(options);
    resolver = new dns.Resolver({ timeout: 2_000, tries: 2 });
    resolver.setServers([`127.0.0.1:${port}`]);
  });
  afterEach(() => server.close());

  async function clientAt(address: string): Promise<UdpSocket> {
    const client = createSocket("udp4");
    client.bind({ address, port: 0 });
    await once(client, "listening");
    return client;
  }

  it("answers a resolver, which goes to TCP for what is too long", async () => {
    expect(await resolver.resolve4("web.twill")).toEqual(["10.244.5.2"]);
    expect((await resolver.resolve4("many.twill")).sort()).toEqual([...MANY].sort());
  });

  it("tells a resolver whose an address is, and sends it on for another's", async () => {
    expect(await resolver.reverse("10.244.5.2")).toEqual(["web.twill"]);
    const other = resolver.resolvePtr("3.5.244.10.in-addr.arpa");
    await expect(other).rejects.toMatchObject({ code: "EREFUSED" });
  });

  it("says no in the way that a resolver understands", async () => {
    await expect(resolver.resolve4("nobody.twill")).rejects.toMatchObject({ code: "ENOTFOUND" });
    await expect(resolver.resolve6("web.twill")).rejects.toMatchObject({ code: "ENODATA" });
    await expect(resolver.resolve4("example.com")).rejects.toMatchObject({ code: "EREFUSED" });
  });

  it("refuses a stranger, by UDP and TCP, and counts it", async () => {
    const stranger = await clientAt("127.0.0.2");
    try {
      stranger.send(encode(QUESTION), options.port, "127.0.0.1");
      const [answer] = (await once(stranger, "message")) as [Buffer];
      expect(show(answer)).toEqual({ rcode: REFUSED, answers: [] });
      expect(answer.length).toBe(encode(QUESTION).length);
    } finally {
      stranger.close();
    }
    const socket = connect({ host: "127.0.0.1", port: options.port, localAddress: "127.0.0.2" });
    socket.write(streamEncode(QUESTION));
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(show(answer.subarray(2))).toEqual({ rcode: REFUSED, answers: [] });
    socket.destroy();
    expect(lines).toMatchObject([{ level: "warn", msg: "Questions not answered", stranger: 1 }]);
  });

  it("answers on after rubbish, which it counts", async () => {
    const client = await clientAt("127.0.0.1");
    try {
      for (let i = 0; i < 500; i++) client.send(Buffer.alloc(i % 40, i), options.port, "127.0.0.1");
      expect(await eventually(() => resolver.resolve4("web.twill"))).toEqual(["10.244.5.2"]);
    } finally {
      client.close();
    }
    expect(lines).toContainEqual(expect.objectContaining({ level: "warn", msg: "Questions not answered" }));
    expect(lines.length).toBe(1);
  });

  it("answers each of several questions on one connection, however they are cut", async () => {
    const socket = connect({ host: "127.0.0.1", port: options.port });
    const question = streamEncode(QUESTION);
    const got: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => got.push(chunk));
    socket.write(Buffer.concat([question, question, question.subarray(0, 7)]));
    const answerBytes = question.length + 25; // an address record behind the question
    await eventually(() => Buffer.concat(got).length === 2 * answerBytes);
    socket.write(question.subarray(7));
    await eventually(() => Buffer.concat(got).length === 3 * answerBytes);
    socket.destroy();
  });

  it.each([
    ["a length past any question's", Buffer.from("ffff00", "hex")],
    ["a message that is no question", Buffer.from("0001ff", "hex")],
  ])("ends a connection that sends %s", async (_what, bytes) => {
    const socket = connect({ host: "127.0.0.1", port: options.port });
    let got = 0;
    let isClosed = false;
    socket.on("data", (chunk: Buffer) => (got += chunk.length)).on("error", () => undefined);
    socket.on("close", () => (isClosed = true)).write(bytes);
    await eventually(() => isClosed, { timeoutMs: AT_ONCE_MS });
    expect(got).toBe(0);
  });

  it("ends a connection whose asker says nothing more", async () => {
    const socket = connect({ host: "127.0.0.1", port: options.port });
    let isClosed = false;
    socket.on("close", () => (isClosed = true)).on("error", () => undefined);
    socket.write(streamEncode(QUESTION));
    await once(socket, "data");
    await eventually(() => isClosed, { timeoutMs: 10_000 });
  });

  it("takes no more connections than it can hold, and answers on", async () => {
    const sockets = Array.from({ length: 70 }, () => connect({ host: "127.0.0.1", port: options.port }));
    let ended = 0;
    for (const socket of sockets) socket.on("close", () => ended++).on("error", () => undefined);
    try {
      await eventually(() => ended === 6); // 64 stay
      expect(await resolver.resolve4("web.twill")).toEqual(["10.244.5.2"]);
      expect(ended).toBe(6);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });

  it("says in a sentence what keeps it from an address", async () => {
    await expect(DnsServer.open(options)).rejects.toThrow(/another DNS server has it/);
    const nowhere = { ...options, address: addressOf("192.0.2.77") };
    await expect(DnsServer.open(nowhere)).rejects.toThrow(
      /192\.0\.2\.77 port [0-9]+: no interface has the address/,
    );
  });

  it("leaves the address free when it is closed, with connections open", async () => {
    const socket = connect({ host: "127.0.0.1", port: options.port });
    socket.on("error", () => undefined);
    await once(socket, "connect");
    await eventually(async () => (await resolver.resolve4("web.twill")).length === 1);
    const startMs = performance.now();
    await server.close();
    expect(performance.now() - startMs).toBeLessThan(AT_ONCE_MS);
    server = await DnsServer.open(options);
    expect(await resolver.resolve4("web.twill")).toEqual(["10.244.5.2"]);
  });
});
