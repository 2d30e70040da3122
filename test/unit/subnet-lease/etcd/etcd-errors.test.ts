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
    expect(error.message).toBe(`Cannot list keys: etcd at ${ADDRESS} is unavailable: "connect ECONNREFUSED"`);
    expect(error.fields).toEqual({ etcdAddress: ADDRESS });
    expect(error.cause).toBeInstanceOf(Error);
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
