/** What etcd and the gRPC below it say, as the errors that `Registry` promises. */
import type { ErrorCode } from "../../net/overlay-error.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { reasonOf } from "../../net/reason-of.ts";
import { showUntrusted } from "../../net/untrusted-text.ts";

/** `CODE NAME: details`, the message of a gRPC error; etcd3 keeps it but drops the fields. */
const GRPC_MESSAGE = /^(\d{1,2}) [A-Z_]+: ([\s\S]*)$/;
/**
 * What surrounds the error of the socket or of TLS, which is what people need to see: gRPC's frame and time (which
 * would make the same failure a new one each time), Node's advice about itself, OpenSSL's source lines.
 */
const FRAMES = [
  /^No connection established\. Last error: (?:Error(?: \[\w+\])?: )?|\. Resolution note: $/g,
  /\s*\(\d{4}-\d\d-\d\dT[0-9:.]+Z\)$/g,
  /; if the root CA is installed locally[\s\S]*$/g,
  /^[0-9A-F]+:error:[0-9A-F]+:[^:]*:[^:]*:|(?<=\balert [a-z ]+):[\s\S]*$/g,
];
/** What an operator can do about an etcd that cannot be reached, by the words of Node.js, gRPC or OpenSSL. */
const ADVICE: readonly (readonly [words: RegExp, advice: string])[] = [
  [
    /unable to (?:verify|get)|self[- ]signed certificate/,
    "its certificate is not trusted: give its CA with --etcd-cafile",
  ],
  [
    /alert (?:bad certificate|certificate required)/,
    "it asks for a client certificate: give --etcd-certfile and --etcd-keyfile",
  ],
  [/^Failed to connect$|before secure TLS|wrong version number|packet length/, "is it http:// or https://?"],
  [/ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|Name resolution failed/, "is --etcd-endpoints right?"],
];
const PERMISSION_DENIED = "7";
const UNAUTHENTICATED = "16";

/** etcd's words for a token it no longer knows: expired, lost in a restart, or older than a change of users. */
const TOKEN_TEXTS = ["invalid auth token", "revision of auth store is old"];
const DENIED_TEXTS = [
  "permission denied",
  "authentication failed",
  "user name is empty",
  TOKEN_TEXTS[0] ?? "",
];
const COMPACTED_TEXT = "required revision has been compacted";
const LEASE_GONE_TEXT = "requested lease not found";
const AUTH_OFF_TEXT = "authentication is not enabled";

/**
 * The error for a call that failed; an `OverlayError` stays what it is.
 * @param action completes "Cannot ..."
 */
export function registryError(action: string, address: string, cause: unknown): OverlayError {
  if (cause instanceof OverlayError) return cause;
  const [, status = "", details = reasonOf(cause)] = GRPC_MESSAGE.exec(reasonOf(cause)) ?? [];
  const code = codeOf(status, details);
  const reason = FRAMES.reduce((text, frame) => text.replaceAll(frame, ""), details);
  const message = `Cannot ${action}: etcd at ${address} ${stateOf(code)}: ${showUntrusted(reason)}${adviceOn(reason)}`;
  return new OverlayError(code, message, { etcdAddress: address }, { cause });
}

/** The history from where a watch should start is gone. */
export function compactedError(address: string, compactRevision: string): OverlayError {
  const message = `Cannot watch keys: etcd at ${address} has compacted the history before revision ${compactRevision}`;
  return new OverlayError("ERR_REGISTRY_COMPACTED", message, { etcdAddress: address, compactRevision });
}

/** The deadline of a call has passed. `action` completes "Cannot ...". */
export function noAnswerError(action: string, address: string, timeoutMs: number): OverlayError {
  const message = `Cannot ${action}: etcd at ${address} gave no answer within ${timeoutMs} ms`;
  return new OverlayError("ERR_REGISTRY_UNAVAILABLE", message, { etcdAddress: address });
}

/** True when etcd refused the token, not us: with a new one the same call may succeed, and it did nothing yet. */
export function isTokenRefused(error: OverlayError): boolean {
  return includesAny(reasonOf(error.cause), TOKEN_TEXTS);
}

/** True when etcd was asked for a token and has authentication switched off. */
export function isAuthOff(cause: unknown): boolean {
  return reasonOf(cause).includes(AUTH_OFF_TEXT);
}

function codeOf(status: string, details: string): ErrorCode {
  if (details.includes(COMPACTED_TEXT)) return "ERR_REGISTRY_COMPACTED";
  if (details.includes(LEASE_GONE_TEXT)) return "ERR_REGISTRY_LEASE_GONE";
  const isDenied =
    status === PERMISSION_DENIED || status === UNAUTHENTICATED || includesAny(details, DENIED_TEXTS);
  return isDenied ? "ERR_REGISTRY_DENIED" : "ERR_REGISTRY_UNAVAILABLE";
}

function adviceOn(reason: string): string {
  const [, advice] = ADVICE.find(([words]) => words.test(reason)) ?? [];
  return advice === undefined ? "" : `, ${advice}`;
}

function stateOf(code: ErrorCode): string {
  switch (code) {
    case "ERR_REGISTRY_DENIED":
      return "denies it";
    case "ERR_REGISTRY_UNAVAILABLE":
      return "is unavailable";
    default:
      return "answers";
  }
}

function includesAny(text: string, parts: readonly string[]): boolean {
  return parts.some((part) => text.includes(part));
}
