/** Our clients of a real etcd, in tests. */
import pino from "pino";
import { afterEach } from "vitest";
import { systemClock } from "../../src/agent/process/system-clock.ts";
import type { EtcdOptions } from "../../src/subnet-lease/etcd/etcd-options.ts";
import { openEtcdRegistry } from "../../src/subnet-lease/etcd/etcd-registry.ts";
import type { Registry } from "../../src/subnet-lease/registry.ts";

/** No PEM file at all. */
export const NO_TLS = { caFile: null, certFile: null, keyFile: null };

const silent = pino({ level: "silent" });

/** A client of these endpoints, the first first; without login and TLS unless the options say otherwise. */
export function openEtcd(
  options: Partial<EtcdOptions> & Pick<EtcdOptions, "endpoints">,
  log = silent,
): Registry {
  return openEtcdRegistry(
    { login: null, tls: NO_TLS, ...options },
    { clock: systemClock, random: () => 0, log },
  );
}

/** {@link openEtcd} whose clients are closed after each test of the file. */
export function useEtcdClients(): typeof openEtcd {
  let opened: Registry[] = [];
  afterEach(async () => {
    for (const registry of opened) await registry.close();
    opened = [];
  });
  return (options, log) => {
    const registry = openEtcd(options, log);
    opened.push(registry);
    return registry;
  };
}

/** The error of a call that must fail. */
export async function failureOf(promise: Promise<unknown>): Promise<Error & { code?: unknown }> {
  try {
    await promise;
  } catch (err) {
    if (err instanceof Error) return err;
  }
  throw new Error("The call has not failed");
}
