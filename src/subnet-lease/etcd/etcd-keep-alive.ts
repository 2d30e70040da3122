import type { Etcd3 } from "etcd3";
import type { CallOptions } from "./etcd-connection.ts";

/**
 * Renews an etcd lease once: one request and one answer on a stream of its own. etcd3's `Lease` cannot do
 * this for a lease that an earlier run of ours has made. Null when the lease no longer exists.
 */
export async function keepAliveOnce(
  etcd: Etcd3,
  etcdLeaseId: bigint,
  options: CallOptions,
): Promise<{ ttlSeconds: number } | null> {
  const stream = await etcd.leaseClient.leaseKeepAlive(options);
  try {
    const ttlSeconds = await new Promise<number>((resolve, reject) => {
      stream.on("data", (answer) => resolve(Number(answer.TTL)));
      stream.on("error", reject);
      stream.on("end", () => reject(new Error("the stream ended")));
      stream.write({ ID: etcdLeaseId.toString() });
    });
    return ttlSeconds > 0 ? { ttlSeconds } : null; // etcd's answer for an unknown lease is 0
  } finally {
    stream.end();
    stream.cancel();
  }
}
