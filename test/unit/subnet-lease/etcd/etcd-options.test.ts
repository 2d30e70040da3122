import { describe, expect, it } from "vitest";
import { checkEtcdOptions } from "../../../../src/subnet-lease/etcd/etcd-options.ts";
import type { EtcdOptions } from "../../../../src/subnet-lease/etcd/etcd-options.ts";

const NO_TLS: EtcdOptions["tls"] = { caFile: null, certFile: null, keyFile: null };
const check = (endpoints: string[], tls = NO_TLS): ReturnType<typeof checkEtcdOptions> =>
  checkEtcdOptions({ endpoints, login: null, tls });

describe("checkEtcdOptions", () => {
  it.each([
    ["http://192.0.2.1:2379", "192.0.2.1:2379", false],
    ["http://192.0.2.1:2379/", "192.0.2.1:2379", false],
    [" https://etcd-1.example.com:4001// ", "etcd-1.example.com:4001", true],
    ["etcd:2379", "etcd:2379", false],
    ["192.0.2.1", "192.0.2.1:2379", false],
    ["https://192.0.2.1", "192.0.2.1:2379", true],
    ["http://192.0.2.1:80", "192.0.2.1:80", false],
    ["https://[2001:db8::1]:2379", "[2001:db8::1]:2379", true],
  ])("reads endpoint %s", (endpoint, address, isTls) => {
    expect(check([endpoint])).toMatchObject({ addresses: [address], isTls });
  });

  it.each([
    "",
    "http://",
    "ftp://192.0.2.1:2379",
    "unix:///run/etcd.sock",
    "http://192.0.2.1:2379/v3",
    "http://192.0.2.1:0",
    "http://192.0.2.1:65536",
    "http://[2001:db8::1:2379",
    "http://[192.0.2.1]:2379",
    "http://192.0.2.1:2379,http://192.0.2.2:2379",
  ])("refuses endpoint %j", (endpoint) => {
    expect(() => check([endpoint])).toThrow(expect.objectContaining({ code: "ERR_OPTION_INVALID" }));
  });

  it("does not repeat a password that somebody wrote into an endpoint", () => {
    expect(() => check(["http://root:secret@192.0.2.1:2379"])).toThrow(
      'Cannot use --etcd-endpoints: "http://***@192.0.2.1:2379" is not http(s)://host:port',
    );
  });

  it("refuses an empty list", () => {
    expect(() => check([])).toThrow("Cannot use --etcd-endpoints: the list is empty");
  });

  it("takes TLS for all from an https endpoint that is the first", () => {
    expect(check(["https://192.0.2.1:2379", "http://192.0.2.2:2379", "192.0.2.3"])).toEqual({
      addresses: ["192.0.2.1:2379", "192.0.2.2:2379", "192.0.2.3:2379"],
      isTls: true,
      callTimeoutMs: 3_000,
    });
  });

  it("refuses to speak plain text to an https endpoint after an http one", () => {
    expect(() => check(["http://192.0.2.1:2379", "https://192.0.2.2:2379"])).toThrow(
      /^Cannot use --etcd-endpoints: it mixes http and https, and the first, 192.0.2.1:2379, is http$/,
    );
  });

  it("refuses a client certificate without its key, and a key without its certificate", () => {
    expect(() => check(["https://192.0.2.1"], { ...NO_TLS, certFile: "node.crt" })).toThrow(
      /only the certificate is given/,
    );
    expect(() => check(["https://192.0.2.1"], { ...NO_TLS, keyFile: "node.key" })).toThrow(
      /only the key is given/,
    );
  });
});
