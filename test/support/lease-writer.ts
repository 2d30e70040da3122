/** Writes keys straight into a lab's etcd, hundreds a second, and counts what others ask of it. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { GatewayAnswer, GatewayRequest } from "./etcd-gateway-child.ts";
import type { Lab } from "./lab.ts";

const CHILD = fileURLToPath(new URL("./etcd-gateway-child.ts", import.meta.url));
/** etcd's limit of operations in one transaction (`--max-txn-ops`). */
const MAX_OPERATIONS = 128;
/** Calls of the registry's service, such as `etcd_...{grpc_method="Range",grpc_service="etcdserverpb.KV",...} 7`. */
const STARTED_CALLS =
  /^grpc_server_started_total\{grpc_method="(\w+)",grpc_service="etcdserverpb\.\w+",[^}]*\} (\d+)$/gm;

/** One write; `value` null deletes the key. */
export interface KeyWrite {
  readonly key: string;
  readonly value: string | null;
}

/** A process in the namespace of the lab's etcd; `await using` ends it. */
export class LeaseWriter implements AsyncDisposable {
  readonly #url: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #waiting = new Map<number, (answer: GatewayAnswer) => void>();
  #requests = 0;

  private constructor(url: string, child: ChildProcess) {
    this.#url = url;
    this.#child = child;
    this.#exited = once(child, "exit");
    child.on("message", (answer: GatewayAnswer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  static async start(lab: Lab): Promise<LeaseWriter> {
    const child = lab.underlay.start([process.execPath, CHILD], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    await once(child, "message"); // it says that it is ready
    return new LeaseWriter(lab.etcd.url, child);
  }

  /** Writes in transactions of up to 128 keys, so none twice; resolves with when the first was sent. */
  async write(writes: readonly KeyWrite[]): Promise<number> {
    let firstSentMs = Infinity;
    for (let i = 0; i < writes.length; i += MAX_OPERATIONS) {
      const success = writes.slice(i, i + MAX_OPERATIONS).map(operationOf);
      const { sentMs } = await this.#ask("/v3/kv/txn", JSON.stringify({ success }));
      firstSentMs = Math.min(firstSentMs, sentMs);
    }
    return firstSentMs;
  }

  /** How often each call was made since etcd started, by anybody; `Txn` and the like by this writer, too. */
  async calls(): Promise<Record<string, number>> {
    const { body } = await this.#ask("/metrics", null);
    const counts = [...body.matchAll(STARTED_CALLS)].map(([, name, count]) => [name, Number(count)] as const);
    return Object.fromEntries(counts.filter(([, count]) => count > 0)) as Record<string, number>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.disconnect();
    await this.#exited;
  }

  async #ask(path: string, body: string | null): Promise<GatewayAnswer> {
    const id = ++this.#requests;
    const answered = new Promise<GatewayAnswer>((resolve) => this.#waiting.set(id, resolve));
    this.#child.send({ id, url: this.#url + path, body } satisfies GatewayRequest);
    const answer = await answered;
    if (answer.code !== 200) throw new Error(`etcd answers ${answer.code} to ${path}: ${answer.body}`);
    return answer;
  }
}

function operationOf({ key, value }: KeyWrite): object {
  const encoded = Buffer.from(key).toString("base64");
  if (value === null) return { requestDeleteRange: { key: encoded } };
  return { requestPut: { key: encoded, value: Buffer.from(value).toString("base64") } };
}
