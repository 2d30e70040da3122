import type { BenchPlace } from "../bench-place.ts";

/** What flanneld has by default (`--iptables-forward-rules`) on every host, whatever its backend. */
function forwardRules(network: string): string {
  const comment = '-m comment --comment "flanneld forward"';
  return [
    "*filter",
    ":FLANNEL-FWD - [0:0]",
    `-A FORWARD ${comment} -j FLANNEL-FWD`,
    `-A FLANNEL-FWD -s ${network} ${comment} -j ACCEPT`,
    `-A FLANNEL-FWD -d ${network} ${comment} -j ACCEPT`,
    "COMMIT",
    "",
  ].join("\n");
}

/** Makes them on both hosts; they go with all other rules after the row. @throws {OverlayError} `ERR_LAB_FAILED` */
export async function addForwardRules(
  { lab, senderHost, receiverHost }: BenchPlace,
  signal: AbortSignal,
): Promise<void> {
  const stdin = forwardRules(lab.network);
  for (const host of [senderHost, receiverHost]) {
    await host.execChecked(["iptables-restore", "--noflush"], { stdin, signal });
  }
}
