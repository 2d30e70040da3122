import { pino } from "pino";
import type { BackendContext } from "../../src/backends/backend.ts";
import { addressOf, prefixOf } from "./ipv4.ts";

/** What a backend is made with on host 192.0.2.1, but for these `differences`. */
export function backendContext(
  differences: Partial<Omit<BackendContext, "underlay">> & {
    readonly underlay?: Partial<BackendContext["underlay"]>;
  } = {},
): BackendContext {
  const underlay = {
    interfaceName: "eth0",
    interfaceIndex: 2,
    interfaceIp: addressOf("192.0.2.1"),
    publicIp: addressOf("192.0.2.1"),
    underlayMtu: 1500,
  };
  return {
    network: prefixOf("10.244.0.0/16"),
    formerNetwork: null,
    options: {},
    sourceCheck: "strict",
    carrier: "user",
    datapath: { engine: "dgram", queues: null, offload: "auto", sourcePort: null },
    nodeId: "node-1",
    log: pino({ level: "silent" }),
    ...differences,
    underlay: { ...underlay, ...differences.underlay },
  };
}
