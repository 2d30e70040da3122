import { describe, expect, it } from "vitest";
import { OverlayError } from "../../../../src/net/overlay-error.ts";
import { isTokenRefused, registryError } from "../../../../src/subnet-lease/etcd/etcd-errors.ts";

const ADDRESS = "192.0.2.1:2379";
const errorFor = (message: string): OverlayError => registryError("list keys", ADDRESS, new Error(message));

describe("registryError", () => {
  it.each([
    [
      "14 UNAVAILABLE: No connection established. Last error: Error: connect ECONNREFUSED. Resolution note: ",
      "ERR_REGISTRY_UNAVAILABLE",
    ],
    ["4 DEADLINE_EXCEEDED: Deadline exceeded after 3s", "ERR_REGISTRY_UNAVAILABLE"],
    ["14 UNAVAILABLE: etcdserver: no leader", "ERR_REGISTRY_UNAVAILABLE"],
    ["8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded", "ERR_REGISTRY_UNAVAILABLE"],
    ["the stream ended", "ERR_REGISTRY_UNAVAILABLE"],
    ["7 PERMISSION_DENIED: etcdserver: permission denied", "ERR_REGISTRY_DENIED"],
    ["7 PERMISSION_DENIED: in other words", "ERR_REGISTRY_DENIED"],
    ["16 UNAUTHENTICATED: in other words", "ERR_REGISTRY_DENIED"],
    ["16 UNAUTHENTICATED: etcd: invalid auth token", "ERR_REGISTRY_DENIED"],
    ["3 INVALID_ARGUMENT: etcdserver: user name is empty", "ERR_REGISTRY_DENIED"],
    [
      "3 INVALID_ARGUMENT: etcdserver: authentication failed, invalid user ID or password",
      "ERR_REGISTRY_DENIED",
    ],
    ["rpc error: code = PermissionDenied desc = etcdserver: permission denied", "ERR_REGISTRY_DENIED"],
    ["11 OUT_OF_RANGE: etcdserver: mvcc: required revision has been compacted", "ERR_REGISTRY_COMPACTED"],
    ["5 NOT_FOUND: etcdserver: requested lease not found", "ERR_REGISTRY_LEASE_GONE"],
  ])("reads %s as %s", (message, code) => {
    expect(errorFor(message).code).toBe(code);
  });

  it("says what could not be done, where, and why, without gRPC's frame", () => {
    const error = errorFor(
      "14 UNAVAILABLE: No connection established. Last error: Error: connect ECONNREFUSED. Resolution note: ",
    );
    expect(error.message).toBe(
      `Cannot list keys: etcd at ${ADDRESS} is unavailable: "connect ECONNREFUSED", is --etcd-endpoints right?`,
    );
    expect(error.fields).toEqual({ etcdAddress: ADDRESS });
    expect(error.cause).toBeInstanceOf(Error);
  });

  const frame = (text: string): string =>
    `14 UNAVAILABLE: No connection established. Last error: ${text}. Resolution note: `;
  const alert = "40DDA1F82F7F0000:error:0A000412:SSL routines:ssl3_read_bytes:ssl/tls alert bad certificate:";

  it.each([
    [
      frame(
        "Error: unable to verify the first certificate; if the root CA is installed locally, try running Node.js with --use-system-ca",
      ),
      '"unable to verify the first certificate", its certificate is not trusted: give its CA with --etcd-cafile',
    ],
    [
      frame(
        "Error: self-signed certificate in certificate chain; if the root CA is installed locally, try x",
      ),
      '"self-signed certificate in certificate chain", its certificate is not trusted: give its CA with --etcd-cafile',
    ],
    [
      frame(
        "Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames: Host: etcd. is not cert's CN: node",
      ),
      `"Hostname/IP does not match certificate's altnames: Host: etcd. is not cert's CN:..."`,
    ],
    [
      frame(
        `${alert}../deps/openssl/ssl/record/rec_layer_s3.c:918:SSL alert number 42\n (2026-01-01T00:00:00.001Z)`,
      ),
      '"ssl/tls alert bad certificate", it asks for a client certificate: give --etcd-certfile and --etcd-keyfile',
    ],
    [
      frame("Failed to connect (2026-01-01T00:00:00.001Z)"),
      '"Failed to connect", is it http:// or https://?',
    ],
    [
      frame("Error: Client network socket disconnected before secure TLS connection was established"),
      '"Client network socket disconnected before secure TLS connection was established", is it http:// or https://?',
    ],
    [
      "14 UNAVAILABLE: Name resolution failed for target dns:etcd.invalid:1",
      '"Name resolution failed for target dns:etcd.invalid:1", is --etcd-endpoints right?',
    ],
    ["14 UNAVAILABLE: etcdserver: no leader", '"etcdserver: no leader"'],
  ])("tells what to do about %s", (message, told) => {
    expect(errorFor(message).message).toBe(`Cannot list keys: etcd at ${ADDRESS} is unavailable: ${told}`);
  });

  it("makes etcd's own text harmless", () => {
    expect(errorFor("2 UNKNOWN: a\nb\u001b[31m").message).toContain('"a\\u000ab\\u001b[31m"');
  });

  it("leaves an OverlayError as it is", () => {
    const error = new OverlayError("ERR_FILE_FAILED", "Cannot read a file");
    expect(registryError("list keys", ADDRESS, error)).toBe(error);
  });
});

describe("isTokenRefused", () => {
  it.each([
    ["16 UNAUTHENTICATED: etcd: invalid auth token", true],
    ["3 INVALID_ARGUMENT: etcdserver: revision of auth store is old", true],
    ["7 PERMISSION_DENIED: etcdserver: permission denied", false],
    ["3 INVALID_ARGUMENT: etcdserver: authentication failed, invalid user ID or password", false],
  ])("is, for %s, %j", (message, refused) => {
    expect(isTokenRefused(errorFor(message))).toBe(refused);
  });
});
