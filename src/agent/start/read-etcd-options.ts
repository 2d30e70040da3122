/** How to reach etcd, from the options and the files that they name. */
import { readFile } from "node:fs/promises";
import { checkEtcdOptions, loadTlsCredentials } from "../../subnet-lease/etcd/etcd-options.ts";
import type { EtcdOptions } from "../../subnet-lease/etcd/etcd-options.ts";
import { fileError } from "../../files/file-error.ts";
import type { AgentOptions } from "../options/agent-options.ts";
import { usageError } from "../options/usage-error.ts";

/** Longest password file: a longer one is the wrong file. */
const MAX_PASSWORD_BYTES = 4096;

/**
 * Reads the password file, and the TLS files to see that they are good.
 * @throws {OverlayError} `ERR_FILE_FAILED`, `ERR_OPTION_INVALID`
 */
export async function readEtcdOptions(options: AgentOptions): Promise<EtcdOptions> {
  const orNull = (text: string): string | null => (text === "" ? null : text);
  const etcd: EtcdOptions = {
    endpoints: options.etcdEndpoints,
    login: await readLogin(options),
    tls: {
      caFile: orNull(options.etcdCafile),
      certFile: orNull(options.etcdCertfile),
      keyFile: orNull(options.etcdKeyfile),
    },
  };
  // Files that http endpoints do not need are not looked at, as flannel's test suite asks.
  if (checkEtcdOptions(etcd).isTls) await loadTlsCredentials(etcd.tls);
  return etcd;
}

async function readLogin(options: AgentOptions): Promise<EtcdOptions["login"]> {
  const { etcdUsername, etcdPassword, etcdPasswordFile } = options;
  if (etcdUsername === "") return null;
  if (etcdPasswordFile === "") return { username: etcdUsername, password: etcdPassword };
  return { username: etcdUsername, password: await readPassword(etcdPasswordFile) };
}

async function readPassword(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((err: unknown) => {
    throw fileError("Cannot read --etcd-password-file", path, err);
  });
  const password = text.replace(/\r?\n$/, "");
  if (password !== "" && password.length <= MAX_PASSWORD_BYTES && !/[\r\n]/.test(password)) return password;
  throw usageError(
    `Cannot use --etcd-password-file ${path}: it must hold one line of 1 to ${MAX_PASSWORD_BYTES} bytes`,
  );
}
