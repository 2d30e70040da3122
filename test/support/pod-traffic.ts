/** What tests ask of pods that reach each other: who the receiver saw, and data that comes back as it was sent. */
import { fileURLToPath } from "node:url";
import { printed } from "./child-output.ts";
import type { LabNode } from "../../src/lab/host/lab-node.ts";
import type { LabPod } from "./lab.ts";

const ECHO_PEER = fileURLToPath(new URL("./echo-peer.ts", import.meta.url));
const ECHO_PORT = 5000;
/** Room for every pod of a lab, with each protocol. */
const MAX_SENDERS = 1024;

/** Notes from whom a pod gets echo requests and TCP connections; reads the list, `10.244.7.2 icmp` and so on, sorted. */
export async function noteSenders(pod: LabPod): Promise<() => Promise<string[]>> {
  const add = "add @senders { ip saddr . ip protocol }";
  await pod.execChecked(["nft", "-f", "-"], {
    stdin: `table ip senders {
  set senders { type ipv4_addr . inet_proto; flags dynamic; size ${MAX_SENDERS}; }
  chain seen {
    type filter hook prerouting priority -400;
    icmp type echo-request ${add}
    tcp dport ${ECHO_PORT} ${add}
  }
}
`,
  });
  return async () => {
    const json = await pod.execChecked(["nft", "-j", "list", "set", "ip", "senders", "senders"]);
    const { nftables } = JSON.parse(json) as { nftables: { set?: { elem?: { concat: string[] }[] } }[] };
    const elements = nftables.flatMap(({ set }) => set?.elem ?? []);
    return elements.map(({ concat }) => concat.join(" ")).sort();
  };
}

/** Starts a server in the pod that gives back what it gets. */
export async function startEcho(pod: LabPod): Promise<{ stop(): void }> {
  const argv = [process.execPath, ECHO_PEER, "serve", `${ECHO_PORT}`];
  const server = pod.start(argv, { stdio: ["ignore", "pipe", "inherit"] });
  await printed(server, "ready");
  return { stop: () => void server.kill("SIGKILL") };
}

/** Where an echo server is reached: at the pod's own port unless another leads to it. */
export interface EchoPlace {
  readonly address: string;
  readonly port?: number;
}

/** One TCP stream of so many bytes to the pod's echo server and back. @throws {OverlayError} when one differs */
export async function exchangeStream(from: LabNode, to: EchoPlace, bytes: number): Promise<void> {
  const { address, port = ECHO_PORT } = to;
  await from.execChecked([process.execPath, ECHO_PEER, "tcp", address, `${port}`, `${bytes}`]);
}
