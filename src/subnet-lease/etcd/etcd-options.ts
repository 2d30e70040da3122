/** How to reach etcd: endpoints, who we are, whom we trust. */
import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { rootCertificates } from "node:tls";
import { OverlayError } from "../../net/overlay-error.ts";
import { showUntrusted } from "../../net/untrusted-text.ts";

/** A healthy etcd answers in milliseconds; after this long the next endpoint is the better bet. */
const DEFAULT_CALL_TIMEOUT_MS = 3_000;
const DEFAULT_CLIENT_PORT = 2379;
const MAX_PORT = 65_535;
/** Scheme, host (an IPv6 address in brackets), port; a trailing slash is common and means nothing. */
const ENDPOINT_TEXT = /^(?:(https?):\/\/)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?\/*$/;

/** What an operator says of etcd. */
export interface EtcdOptions {
  /** Such as `http://192.0.2.1:2379`; the scheme of the first decides about TLS for all. */
  readonly endpoints: readonly string[];
  readonly login: { readonly username: string; readonly password: string } | null;
  /** PEM files, read again for every new connection, so that rotated ones are picked up. */
  readonly tls: {
    /** Whom we trust; null: the roots that Node.js brings. */
    readonly caFile: string | null;
    readonly certFile: string | null;
    readonly keyFile: string | null;
  };
  /** Longest wait for one answer, and for a watch to stand, in milliseconds; 3 s without it. */
  readonly callTimeoutMs?: number;
}

/** The same, checked and complete. */
export interface EtcdTarget {
  /** `host:port`, at least one. */
  readonly addresses: readonly [string, ...string[]];
  readonly isTls: boolean;
  readonly callTimeoutMs: number;
}

/** PEM text in the form etcd3 takes it. */
export interface TlsCredentials {
  readonly rootCertificate: Buffer;
  readonly privateKey?: Buffer;
  readonly certChain?: Buffer;
}

/**
 * Checks the options as far as that is possible without I/O. TLS follows the first endpoint, as in flannel:
 * `https` means TLS everywhere, and plain text is never a fallback. An `https` endpoint after an `http` one
 * is refused, because it would be spoken to in plain text.
 * @throws {OverlayError} `ERR_OPTION_INVALID`
 */
export function checkEtcdOptions(options: EtcdOptions): EtcdTarget {
  const endpoints = options.endpoints.map(parseEndpoint);
  const [first, ...rest] = endpoints;
  if (first === undefined) throw invalid("Cannot use --etcd-endpoints: the list is empty");
  if (!first.isTls && rest.some((endpoint) => endpoint.isTls)) {
    throw invalid(
      `Cannot use --etcd-endpoints: it mixes http and https, and the first, ${first.address}, is http`,
    );
  }
  const { certFile, keyFile } = options.tls;
  if ((certFile === null) !== (keyFile === null)) {
    throw invalid(
      `Cannot reach etcd: a client certificate needs its key, only the ${certFile === null ? "key" : "certificate"} is given`,
    );
  }
  return {
    addresses: [first.address, ...rest.map((endpoint) => endpoint.address)],
    isTls: first.isTls,
    callTimeoutMs: options.callTimeoutMs ?? DEFAULT_CALL_TIMEOUT_MS,
  };
}

/** Reads the PEM files. @throws {OverlayError} `ERR_FILE_FAILED` */
export async function loadTlsCredentials(tls: EtcdOptions["tls"]): Promise<TlsCredentials> {
  const rootCertificate = await readPem(tls.caFile);
  const privateKey = await readPem(tls.keyFile);
  const certChain = await readPem(tls.certFile);
  return {
    rootCertificate: rootCertificate ?? Buffer.from(rootCertificates.join("\n")),
    ...(privateKey === null ? {} : { privateKey }),
    ...(certChain === null ? {} : { certChain }),
  };
}

function parseEndpoint(text: string): { readonly address: string; readonly isTls: boolean } {
  const match = ENDPOINT_TEXT.exec(text.trim());
  const [, scheme = "http", host = "", port = String(DEFAULT_CLIENT_PORT)] = match ?? [];
  const isHostValid = !host.startsWith("[") || isIPv6(host.slice(1, -1));
  if (match === null || !isHostValid || Number(port) < 1 || Number(port) > MAX_PORT) {
    throw invalid(`Cannot use --etcd-endpoints: ${hideLogin(text)} is not http(s)://host:port`);
  }
  return { address: `${host}:${port}`, isTls: scheme === "https" };
}

/** `user:password@` has no place in an endpoint, but people try; it must not reach a log. */
function hideLogin(text: string): string {
  return showUntrusted(text.replace(/[^/]*@/g, "***@"));
}

async function readPem(path: string | null): Promise<Buffer | null> {
  if (path === null || path === "") return null;
  try {
    return await readFile(path);
  } catch (err) {
    throw new OverlayError(
      "ERR_FILE_FAILED",
      `Cannot read ${path} for TLS to etcd: ${String(err)}`,
      { path },
      { cause: err },
    );
  }
}

function invalid(message: string): OverlayError {
  return new OverlayError("ERR_OPTION_INVALID", message);
}
