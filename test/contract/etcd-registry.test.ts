/** What only a registry behind a network must cope with: endpoints, identity, silence. */
import { inspect } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/agent/process/system-clock.ts";
import type { Registry, WatchBatch } from "../../src/subnet-lease/registry.ts";
import { failureOf, useEtcdClients } from "../support/etcd-clients.ts";
import { EtcdServer } from "../support/etcd-server.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { handles, untilNoHandles } from "../support/handles.ts";
import { recordLog } from "../support/log-lines.ts";
import type { LogLine } from "../support/log-lines.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

const never = new AbortController().signal;
/** Time for a call that is answered, on a busy machine too. */
const CALL_TIMEOUT_MS = 1_200;
/** For what takes as long or no time at all: less than the 3 s of a call that is told no deadline. */
const BELOW_DEFAULT_DEADLINE_MS = 2_800;
/** From its end to the last handle of a call: less than what is left of the 3 s then. */
const LEFT_MS = 1_500;
const PASSWORD = "correct horse battery staple";

const openClient = useEtcdClients();
/** What the client that was opened last has logged. */
let lines: LogLine[] = [];

function open(options: Parameters<typeof openClient>[0]): Registry {
  const recorded = recordLog();
  lines = recorded.lines;
  return openClient(options, recorded.log);
}

/** A watch that stands, from now on. */
async function startWatch(registry: Registry): Promise<AsyncIterator<WatchBatch>> {
  const { header } = await registry.list("/", never);
  const watch = registry.watch("/", header.revision + 1n, never)[Symbol.asyncIterator]();
  await watch.next();
  return watch;
}

describe("endpoints", () => {
  let server: EtcdServer;
  beforeAll(async () => {
    server = await EtcdServer.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it("may end in a slash or have no scheme", async () => {
    for (const endpoint of [`${server.url}/`, server.url.slice("http://".length)]) {
      expect((await open({ endpoints: [endpoint] }).list("/", never)).entries).toEqual([]);
    }
  });

  it("are all tried by a call that may be repeated, and one by one by a write", async () => {
    const dead = `http://127.0.0.1:${await freePort()}`;
    const endpoints = [dead, dead, server.url];
    expect((await open({ endpoints }).list("/", never)).entries).toEqual([]);
    const registry = open({ endpoints });
    const grant = (): Promise<unknown> => registry.grant(60, never);
    expect((await failureOf(grant())).code).toBe("ERR_REGISTRY_UNAVAILABLE");
    expect((await failureOf(grant())).code).toBe("ERR_REGISTRY_UNAVAILABLE");
    expect(await grant()).toMatchObject({ ttlSeconds: 60 });
  });

  it("are not reached through a web proxy of the environment", async () => {
    const before = process.env.http_proxy;
    process.env.http_proxy = `http://127.0.0.1:${await freePort()}`;
    try {
      expect((await open({ endpoints: [server.url] }).list("/", never)).entries).toEqual([]);
    } finally {
      if (before === undefined) delete process.env.http_proxy;
      else process.env.http_proxy = before;
    }
  });

  it("are named in the error together with what went wrong", async () => {
    const port = await freePort();
    const failure = await failureOf(open({ endpoints: [`http://127.0.0.1:${port}`] }).list("/", never));
    const address = `127.0.0.1:${port}`;
    expect(failure.message).toBe(
      `Cannot list keys under /: etcd at ${address} is unavailable: "connect ECONNREFUSED ${address}", is --etcd-endpoints right?`,
    );
  });

  it("do not change while calls succeed", async () => {
    const registry = open({ endpoints: [server.url] });
    for (let i = 0; i < 20; i++) await registry.list("/", never);
    expect(lines).toEqual([]);
  });
});

describe("silence", () => {
  let server: EtcdServer;
  beforeEach(async () => {
    server = await EtcdServer.start();
  });
  afterEach(() => server[Symbol.asyncDispose]());

  it("of a frozen etcd ends every call at the deadline, and the watch with it", async () => {
    const registry = open({ endpoints: [server.url], callTimeoutMs: CALL_TIMEOUT_MS });
    const watch = await startWatch(registry);
    const { etcdLeaseId } = await registry.grant(60, never);
    server.pause();
    const startMs = systemClock.nowMs();
    const calls = [
      registry.read("/a", never),
      registry.commit("/a", 0n, { kind: "put", value: "1", etcdLeaseId: 0n }, never),
      registry.keepAlive(etcdLeaseId, never),
      watch.next(),
    ];
    const failures = await Promise.all(calls.map(failureOf));
    expect(systemClock.nowMs() - startMs).toBeLessThan(BELOW_DEFAULT_DEADLINE_MS);
    expect(failures.map((failure) => failure.code)).toEqual(calls.map(() => "ERR_REGISTRY_UNAVAILABLE"));
    expect(failures[0]?.message).toMatch(/^Cannot read \/a: etcd at \S+ gave no answer within 1200 ms$/);
    server.resume();
    await eventually(() => registry.read("/a", never));
  });

  it("of a frozen etcd keeps a new watch waiting no longer than the deadline", async () => {
    const registry = open({ endpoints: [server.url], callTimeoutMs: CALL_TIMEOUT_MS });
    await registry.list("/", never);
    server.pause();
    const startMs = systemClock.nowMs();
    const watch = registry.watch("/", 1n, never)[Symbol.asyncIterator]();
    expect((await failureOf(watch.next())).code).toBe("ERR_REGISTRY_UNAVAILABLE");
    expect(systemClock.nowMs() - startMs).toBeLessThan(BELOW_DEFAULT_DEADLINE_MS);
  });

  it("of one connection is left behind with that connection", async () => {
    await using proxy = await TcpProxy.start(server.url);
    const registry = open({ endpoints: [proxy.url], callTimeoutMs: CALL_TIMEOUT_MS });
    await registry.list("/", never);
    proxy.blackholeConnections();
    expect((await failureOf(registry.list("/", never))).code).toBe("ERR_REGISTRY_UNAVAILABLE");
    expect((await registry.list("/", never)).entries).toEqual([]);
  });

  it("ends for a caller that gives up, at once", async () => {
    const registry = open({ endpoints: [server.url] });
    await registry.list("/", never);
    server.pause();
    const stop = new AbortController();
    const reason = new Error("enough");
    const call = registry.list("/", stop.signal);
    stop.abort(reason);
    const startMs = systemClock.nowMs();
    expect(await failureOf(call)).toBe(reason);
    expect(systemClock.nowMs() - startMs).toBeLessThan(BELOW_DEFAULT_DEADLINE_MS);
    expect(lines).toEqual([]); // the connection is not to blame
  });

  it("at a login ends it at the deadline, and leaves nothing behind", async () => {
    await untilNoHandles();
    server.pause();
    const login = { username: "root", password: PASSWORD };
    const registry = open({ endpoints: [server.url], login, callTimeoutMs: CALL_TIMEOUT_MS });
    expect((await failureOf(registry.list("/", never))).code).toBe("ERR_REGISTRY_UNAVAILABLE");
    await eventually(() => expect(handles()).toEqual([]), { timeoutMs: LEFT_MS });
  });

  it("before a watch stands leaves nothing behind when the watch is given up", async () => {
    const registry = open({ endpoints: [server.url] });
    await registry.list("/", never);
    await untilNoHandles();
    server.pause();
    const stop = new AbortController();
    const waiting = registry.watch("/", 1n, stop.signal)[Symbol.asyncIterator]().next();
    await eventually(() => handles().length > 0);
    stop.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
    await eventually(() => expect(handles()).toEqual([]), { timeoutMs: LEFT_MS });
  });

  it("ends when the registry is closed, and no handle is left", async () => {
    await untilNoHandles();
    const registry = open({ endpoints: [server.url] });
    const watch = await startWatch(registry);
    server.pause();
    const calls = [registry.list("/", never), watch.next()].map(failureOf);
    await registry.close();
    await Promise.all(calls);
    await untilNoHandles();
  });
});

describe("connections", () => {
  it("are one for every kind of call, and are closed with the registry", async () => {
    await using server = await EtcdServer.start();
    await using proxy = await TcpProxy.start(server.url);
    const registry = open({ endpoints: [proxy.url] });
    const watch = await startWatch(registry);
    const { etcdLeaseId } = await registry.grant(60, never);
    await registry.keepAlive(etcdLeaseId, never);
    expect(proxy.socketCount).toBe(2); // its two sides
    const ending = failureOf(watch.next());
    await registry.close();
    await ending;
    await eventually(() => expect(proxy.socketCount).toBe(0));
  });

  it("are not made for a watch that was given up before", async () => {
    await using server = await EtcdServer.start();
    await untilNoHandles();
    const registry = open({ endpoints: [server.url] });
    const stop = new AbortController();
    const waiting = registry.watch("/", 1n, stop.signal)[Symbol.asyncIterator]().next();
    stop.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
    await registry.list("/", never);
    await untilNoHandles();
  });
});

describe("authentication", () => {
  let server: EtcdServer;
  let login: { username: string; password: string };
  beforeAll(async () => {
    server = await EtcdServer.start();
    await server.enableAuth(PASSWORD);
    login = { username: "root", password: PASSWORD };
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it("with the right password lets every call through", async () => {
    const registry = open({ endpoints: [server.url], login });
    const watch = await startWatch(registry);
    const { etcdLeaseId } = await registry.grant(60, never);
    expect(await registry.keepAlive(etcdLeaseId, never)).toEqual({ ttlSeconds: 60 });
    const write = { kind: "put", value: "1", etcdLeaseId } as const;
    expect((await registry.commit("/auth/a", 0n, write, never)).committed).toBe(true);
    expect(await watch.next()).toMatchObject({
      value: { events: [{ kind: "put", entry: { etcdLeaseId } }] },
    });
    await registry.revoke(etcdLeaseId, never);
  });

  it("without a password or with a wrong one is ERR_REGISTRY_DENIED, and the password is in no text", async () => {
    const wrong = { username: "root", password: "wrong horse" };
    for (const attempt of [null, wrong]) {
      const failure = await failureOf(open({ endpoints: [server.url], login: attempt }).list("/", never));
      expect(failure.code).toBe("ERR_REGISTRY_DENIED");
      expect(inspect(failure, { depth: 10, showHidden: true })).not.toContain("wrong horse");
      expect(JSON.stringify(lines)).not.toContain("wrong horse");
    }
  });

  it("is renewed within the call when etcd has forgotten the token, for a write too", async () => {
    const registry = open({ endpoints: [server.url], login });
    await registry.list("/", never);
    await server.forgetTokens();
    const write = { kind: "put", value: "1", etcdLeaseId: 0n } as const;
    expect((await registry.commit("/auth/b", 0n, write, never)).committed).toBe(true);
    expect(lines).toMatchObject([{ level: "debug", msg: "Giving up the connection to etcd" }]);
    expect(lines[0]).toHaveProperty("err.code", "ERR_REGISTRY_DENIED");
    await server.forgetTokens();
    const watch = registry.watch("/", 1n, never)[Symbol.asyncIterator]();
    expect((await failureOf(watch.next())).code).toBe("ERR_REGISTRY_DENIED");
    const another = registry.watch("/", 1n, never)[Symbol.asyncIterator]();
    expect(await another.next()).toMatchObject({ done: false });
    expect(JSON.stringify(lines)).not.toContain(PASSWORD);
  });

  it("that allows some keys only denies the others and keeps the connection", async () => {
    await server.etcdctl("role", "add", "agent");
    await server.etcdctl("role", "grant-permission", "agent", "--prefix=true", "readwrite", "/allowed/");
    await server.etcdctl("role", "grant-permission", "agent", "read", "/config");
    await server.etcdctl("user", "add", `agent:${PASSWORD}`);
    await server.etcdctl("user", "grant-role", "agent", "agent");
    const registry = open({ endpoints: [server.url], login: { username: "agent", password: PASSWORD } });
    expect((await registry.list("/allowed/", never)).entries).toEqual([]);
    expect((await failureOf(registry.read("/other", never))).code).toBe("ERR_REGISTRY_DENIED");
    const oneKey = registry.watchKey("/config", 1n, never)[Symbol.asyncIterator]();
    expect(await oneKey.next()).toMatchObject({ done: false });
    await oneKey.return?.();
    const watch = registry.watch("/other", 1n, never)[Symbol.asyncIterator]();
    expect((await failureOf(watch.next())).code).toBe("ERR_REGISTRY_DENIED");
    expect((await registry.list("/allowed/", never)).entries).toEqual([]);
  });

  it("is tried anew with every call after a failed one, so that etcd can be put right", async () => {
    const registry = open({ endpoints: [server.url], login: { username: "late", password: PASSWORD } });
    expect((await failureOf(registry.list("/", never))).code).toBe("ERR_REGISTRY_DENIED");
    await server.etcdctl("user", "add", `late:${PASSWORD}`);
    await server.etcdctl("user", "grant-role", "late", "root");
    expect((await registry.list("/late/", never)).entries).toEqual([]);
  });

  it("is not needed where etcd has it switched off", async () => {
    await using plain = await EtcdServer.start();
    expect((await open({ endpoints: [plain.url], login }).list("/", never)).entries).toEqual([]);
  });
});
