import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const runProgram = promisify(execFile);

/** A key pair as paths of PEM files. */
export interface KeyPair {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Makes a certificate authority in `directory`. */
export function makeCa(directory: string, name: string): Promise<KeyPair> {
  return make(directory, name, []);
}

/** Makes a certificate for 127.0.0.1, signed by `ca`, that serves for a server and for a client. */
export function makeCertificate(directory: string, name: string, ca: KeyPair): Promise<KeyPair> {
  const signer = ["-CA", ca.certFile, "-CAkey", ca.keyFile];
  return make(directory, name, [...signer, "-addext", "subjectAltName=IP:127.0.0.1"]);
}

async function make(directory: string, name: string, more: readonly string[]): Promise<KeyPair> {
  const pair = { certFile: join(directory, `${name}.crt`), keyFile: join(directory, `${name}.key`) };
  const key = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-keyout",
    pair.keyFile,
  ];
  const certificate = ["-x509", "-days", "1", "-subj", `/CN=${name}`, "-out", pair.certFile];
  await runProgram("openssl", ["req", ...key, ...certificate, ...more]);
  return pair;
}
