/**
 * One etcd3 client for one endpoint. It is thrown away after any trouble and never repaired: what etcd3 1.1.2
 * does by itself (retries, a circuit breaker, resuming a watch, logging in) is switched off or gone round,
 * because it loses events, repeats writes whose answer was lost, or hangs.
 */
import type * as grpcJs from "@grpc/grpc-js";
import type { noop } from "cockatiel";
import type { Etcd3, IOptions, KVClient } from "etcd3";
import { isAuthOff } from "./etcd-errors.ts";
import { loadTlsCredentials } from "./etcd-options.ts";
import type { EtcdOptions } from "./etcd-options.ts";

/** gRPC's options for one call; etcd3 names the type only through its methods. */
export type CallOptions = NonNullable<Parameters<KVClient["range"]>[1]>;
type Interceptor = NonNullable<CallOptions["interceptors"]>[number];
type Grpc = Pick<typeof grpcJs, "InterceptingCall" | "status">;

/**
 * A dead connection is noticed after 7 + 3 s. etcd closes one that pings more often than every 5 s
 * (`--grpc-keepalive-min-time`).
 */
const KEEPALIVE_TIME_MS = 7_000;
const KEEPALIVE_TIMEOUT_MS = 3_000;
const MIN_RECONNECT_MS = 200;
const MAX_RECONNECT_MS = 5_000;
/** 4 MiB by default: 10,000 keys of somebody's rubbish would make every list fail. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Not before the first call needs them: loading takes 0.15 s. */
async function loadLibraries(): Promise<{ Etcd3: typeof Etcd3; noop: typeof noop; grpc: Grpc }> {
  const [etcd3, cockatiel, grpc] = await Promise.all([
    import("etcd3"),
    import("cockatiel"),
    import("@grpc/grpc-js"),
  ]);
  return { Etcd3: etcd3.Etcd3, noop: cockatiel.noop, grpc };
}

/** A client of one endpoint, logged in. */
export class EtcdConnection {
  /** `host:port` */
  readonly address: string;
  readonly etcd: Etcd3;
  readonly #grpc: Grpc;
  readonly #token: string | null;

  private constructor(address: string, etcd: Etcd3, grpc: Grpc, token: string | null) {
    this.address = address;
    this.etcd = etcd;
    this.#grpc = grpc;
    this.#token = token;
  }

  /** Makes a client, and logs in when `options` says as whom. The caller closes it. */
  static async open(
    address: string,
    isTls: boolean,
    options: EtcdOptions,
    signal: AbortSignal,
  ): Promise<EtcdConnection> {
    const { Etcd3, noop, grpc } = await loadLibraries();
    const credentials = isTls ? await loadTlsCredentials(options.tls) : null;
    const etcd = new Etcd3({
      hosts: [`${isTls ? "https" : "http"}://${address}`],
      grpcOptions: grpcOptions(),
      faultHandling: { host: () => noop, global: noop },
      ...(credentials === null ? {} : { credentials }),
    });
    try {
      return new EtcdConnection(address, etcd, grpc, await logIn(etcd, grpc, options.login, signal));
    } catch (err) {
      etcd.close();
      throw err;
    }
  }

  /** Options for a call that ends when the signal is aborted. */
  callOptions(signal: AbortSignal, wants: { readonly leader: boolean } = { leader: false }): CallOptions {
    const headers = new Map<string, string>();
    if (this.#token !== null) headers.set("token", this.#token);
    if (wants.leader) headers.set("hasleader", "true"); // a member cut off from its cluster ends the stream
    return { interceptors: [intercept(this.#grpc, headers, signal)] };
  }

  /** Calls under way are not ended by this; the signal they were made with does that. */
  close(): void {
    this.etcd.close();
  }
}

function grpcOptions(): NonNullable<IOptions["grpcOptions"]> {
  return {
    "grpc.keepalive_time_ms": KEEPALIVE_TIME_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
    "grpc.keepalive_permit_without_calls": 1,
    "grpc.initial_reconnect_backoff_ms": MIN_RECONNECT_MS,
    "grpc.max_reconnect_backoff_ms": MAX_RECONNECT_MS,
    "grpc.max_receive_message_length": MAX_ANSWER_BYTES,
    "grpc.enable_http_proxy": 0, // a web proxy in the environment is not for us
    // Else each name is asked for a TXT record too. Where nobody answers, as in Docker's networks without a way out,
    // that query lives for 28 s and keeps a process from ending that long.
    "grpc.service_config_disable_resolution": 1,
  };
}

/**
 * Logs in through our own client. etcd3's `auth` option would do it through one that has none of our gRPC
 * options, is never closed (one leaked channel for each attempt while etcd is away), and whose token a stream
 * never renews. Null when there is nothing to log in to.
 */
async function logIn(
  etcd: Etcd3,
  grpc: Grpc,
  login: EtcdOptions["login"],
  signal: AbortSignal,
): Promise<string | null> {
  if (login === null) return null;
  const options = { interceptors: [intercept(grpc, new Map(), signal)] };
  try {
    const answer = await etcd.auth.authenticate({ name: login.username, password: login.password }, options);
    return answer.token;
  } catch (err) {
    if (isAuthOff(err)) return null; // as etcd's own client has it
    throw err;
  }
}

/**
 * Adds headers to a call and cancels it when the signal is aborted. A refused token is reported in other words
 * than etcd's, since etcd3 answers those by repeating the call at once and for ever.
 */
function intercept(grpc: Grpc, headers: ReadonlyMap<string, string>, signal: AbortSignal): Interceptor {
  return (options, nextCall) => {
    const call = new grpc.InterceptingCall(nextCall(options), {
      start(metadata, _listener, next) {
        for (const [name, value] of headers) metadata.set(name, value);
        next(metadata, {
          onReceiveStatus(status, pass) {
            signal.removeEventListener("abort", cancel);
            const details = status.details.replace(
              "etcdserver: invalid auth token",
              "etcd: invalid auth token",
            );
            pass({ ...status, details });
          },
        });
        signal.addEventListener("abort", cancel, { once: true });
        if (signal.aborted) cancel();
      },
    });
    const cancel = (): void => call.cancelWithStatus(grpc.status.CANCELLED, "The caller gave up");
    return call;
  };
}
