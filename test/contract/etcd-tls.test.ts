/** TLS to etcd: whom we trust, whom we show ourselves to, and that plain text is never a fallback. */
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeCa, makeCertificate } from "../support/certificates.ts";
import type { KeyPair } from "../support/certificates.ts";
import { failureOf, NO_TLS, useEtcdClients } from "../support/etcd-clients.ts";
import { EtcdServer } from "../support/etcd-server.ts";
import { freePort } from "../support/free-port.ts";

const never = new AbortController().signal;
const open = useEtcdClients();

describe("TLS", () => {
  let directory: string;
  let [ca, otherCa, own]: (KeyPair | undefined)[] = [];
  let server: EtcdServer;
  let strict: EtcdServer;

  const files = (pair: KeyPair | undefined): KeyPair => {
    if (pair === undefined) throw new Error("The certificates are not made yet");
    return pair;
  };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "twill-tls-"));
    ca = await makeCa(directory, "ca");
    otherCa = await makeCa(directory, "other-ca");
    own = await makeCertificate(directory, "node", ca);
    const tls = { ...own, caFile: ca.certFile };
    server = await EtcdServer.start({ tls: { ...tls, mustHaveCertificate: false } });
    strict = await EtcdServer.start({ tls: { ...tls, mustHaveCertificate: true } });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await strict[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  it("needs no more than the CA", async () => {
    const registry = open({ endpoints: [server.url], tls: { ...NO_TLS, caFile: files(ca).certFile } });
    expect((await registry.list("/", never)).entries).toEqual([]);
  });

  it("shows a client certificate where etcd wants one", async () => {
    const tls = { caFile: files(ca).certFile, ...files(own) };
    expect((await open({ endpoints: [strict.url], tls }).list("/", never)).entries).toEqual([]);
    const without = open({ endpoints: [strict.url], tls: { ...NO_TLS, caFile: files(ca).certFile } });
    expect(await failureOf(without.list("/", never))).toMatchObject({
      code: "ERR_REGISTRY_UNAVAILABLE",
      message: expect.stringMatching(/give --etcd-certfile and --etcd-keyfile$/) as string,
    });
  });

  it("trusts neither another CA nor, without one, the server's own word", async () => {
    for (const caFile of [files(otherCa).certFile, null]) {
      const failure = await failureOf(
        open({ endpoints: [server.url], tls: { ...NO_TLS, caFile } }).list("/", never),
      );
      expect(failure.code).toBe("ERR_REGISTRY_UNAVAILABLE");
      expect(failure.message).toMatch(
        /"[^"]+", its certificate is not trusted: give its CA with --etcd-cafile$/,
      );
    }
  });

  it("is for every endpoint when the first says https, and never falls back to plain text", async () => {
    await using plain = await EtcdServer.start();
    const tls = { ...NO_TLS, caFile: files(ca).certFile };
    const dead = `https://127.0.0.1:${await freePort()}`;
    const registry = open({ endpoints: [dead, plain.url], tls });
    expect((await failureOf(registry.list("/", never))).code).toBe("ERR_REGISTRY_UNAVAILABLE");
    const scheme = server.url.replace("https", "http");
    expect((await open({ endpoints: [dead, scheme], tls }).list("/", never)).entries).toEqual([]);
  });

  it("is not spoken to an http endpoint, whatever files are given", async () => {
    await using plain = await EtcdServer.start();
    const tls = { caFile: files(ca).certFile, ...files(own) };
    expect((await open({ endpoints: [plain.url], tls }).list("/", never)).entries).toEqual([]);
  });

  it("asks whether the scheme is right when one side speaks TLS and the other does not", async () => {
    await using plain = await EtcdServer.start();
    for (const url of [server.url.replace("https", "http"), plain.url.replace("http", "https")]) {
      const failure = await failureOf(open({ endpoints: [url] }).list("/", never));
      expect(failure.message).toMatch(/, is it http:\/\/ or https:\/\/\?$/);
    }
  });

  it("says which file it cannot read", async () => {
    const caFile = join(directory, "missing.crt");
    const failure = await failureOf(
      open({ endpoints: [server.url], tls: { ...NO_TLS, caFile } }).list("/", never),
    );
    expect(failure).toMatchObject({ code: "ERR_FILE_FAILED", fields: { path: caFile } });
  });

  it("reads a file again that it could not read before", async () => {
    const caFile = join(directory, "late.crt");
    const registry = open({ endpoints: [server.url], tls: { ...NO_TLS, caFile } });
    expect((await failureOf(registry.list("/", never))).code).toBe("ERR_FILE_FAILED");
    await copyFile(files(ca).certFile, caFile);
    expect((await registry.list("/", never)).entries).toEqual([]);
  });
});
