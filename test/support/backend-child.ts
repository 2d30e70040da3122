/**
 * A host's backend in a process of its own: run in a network namespace by `backend-hosts.ts`, which tells it
 * what to do through the IPC channel, and killed as an agent may be. Ends when the channel does.
 */
import { setImmediate as turn } from "node:timers/promises";
import { pino } from "pino";
import type { Backend, SourceCheck } from "../../src/backends/backend.ts";
import { createBackend } from "../../src/backends/backends.ts";
import type { DatapathOptions } from "../../src/datapath/choose-engine.ts";
import { OverlayError } from "../../src/net/overlay-error.ts";
import type { BackendData, JsonValue } from "../../src/subnet-lease/lease.ts";
import type { Peer } from "../../src/peers/peer.ts";
import { addressOf, prefixOf } from "./ipv4.ts";
import { countDescriptors } from "./process-resources.ts";

export type BackendRequest =
  | {
      readonly do: "create";
      readonly type: string;
      readonly config: Readonly<Record<string, JsonValue>>;
      readonly carrier: "user" | "kernel";
      readonly network: string;
      readonly formerNetwork: string | null;
      readonly interfaceIp: string;
      readonly sourceCheck: SourceCheck;
      readonly datapath: DatapathOptions;
    }
  | { readonly do: "open"; readonly subnet: string }
  | { readonly do: "sync"; readonly peers: readonly GivenPeer[] }
  | {
      readonly do:
        | "advertise"
        | "audit"
        | "readDirectSubnets"
        | "readCounters"
        | "readPeers"
        | "readDatapath"
        | "countDescriptors"
        | "readLog"
        | "close"
        | "watchClose";
    };

/** A peer as text; `backend` is what its lease says, as `advertise` resolves with; by default that of udp. */
export interface GivenPeer {
  readonly subnet: string;
  readonly underlayIp: string;
  readonly backend?: BackendData;
}

export type BackendAnswer =
  { readonly result: unknown } | { readonly error: { readonly code: string; readonly message: string } };

const NO_ABORT = new AbortController().signal;
const logLines: string[] = [];
const log = pino({ level: "info" }, { write: (line: string) => void logLines.push(line) });
let backend: Backend | null = null;

process.on("message", (request: BackendRequest) => {
  void answer(request).then((reply) => process.send?.(reply));
});
process.on("disconnect", () => process.exit());

async function answer(request: BackendRequest): Promise<BackendAnswer> {
  try {
    return { result: (await perform(request)) ?? null };
  } catch (err) {
    const code = err instanceof OverlayError ? err.code : "unforeseen";
    return { error: { code, message: err instanceof Error ? err.message : String(err) } };
  }
}

async function perform(request: BackendRequest): Promise<unknown> {
  switch (request.do) {
    case "create":
      backend = await create(request);
      return undefined;
    case "advertise":
      return await existing().advertise(NO_ABORT);
    case "open": {
      await existing().open(prefixOf(request.subnet), NO_ABORT);
      return;
    }
    case "sync": {
      await existing().sync(request.peers.map(peer), NO_ABORT);
      return;
    }
    case "audit":
      return await existing().audit(NO_ABORT);
    case "readDirectSubnets":
      return existing().readDirectSubnets().map(String);
    case "readCounters":
      return existing().readCounters();
    case "readPeers":
      return existing()
        .readPeerCounters()
        .map((peer) => ({ ...peer, subnet: peer.subnet.toString(), underlayIp: peer.underlayIp.toString() }));
    case "readDatapath":
      return existing().readDatapath();
    case "countDescriptors":
      return countDescriptors();
    case "readLog":
      return logLines.map((line) => JSON.parse(line) as unknown);
    case "close": {
      await existing().close();
      return;
    }
    case "watchClose":
      return await sentWhileClosing(existing());
  }
}

/** What the backend says that it has sent, before its end, in each turn of the event loop until then, and after it. */
async function sentWhileClosing(closing: Backend): Promise<unknown[]> {
  const read = (): unknown[] => [
    closing.readCounters().encapSent,
    closing.readPeerCounters().map(({ encapPackets }) => encapPackets),
  ];
  const seen = [read()];
  const end = new AbortController();
  const closed = closing.close().finally(() => {
    end.abort();
  });
  while (!end.signal.aborted) {
    seen.push(read());
    await turn();
  }
  await closed;
  return [...seen, read()];
}

function create(request: Extract<BackendRequest, { do: "create" }>): Promise<Backend> {
  const underlayIp = addressOf(request.interfaceIp);
  const { formerNetwork } = request;
  return createBackend(request.type, {
    network: prefixOf(request.network),
    formerNetwork: formerNetwork === null ? null : prefixOf(formerNetwork),
    carrier: request.carrier,
    nodeId: `node-of-${request.interfaceIp}`,
    underlay: {
      interfaceName: "eth0",
      interfaceIndex: 2,
      interfaceIp: underlayIp,
      publicIp: underlayIp,
      underlayMtu: 1500,
    },
    options: request.config,
    sourceCheck: request.sourceCheck,
    datapath: request.datapath,
    log,
  });
}

function existing(): Backend {
  if (backend === null) throw new Error("Cannot use the backend: it was not created");
  return backend;
}

function peer(given: GivenPeer): Peer {
  return {
    subnet: prefixOf(given.subnet),
    underlayIp: addressOf(given.underlayIp),
    backend: given.backend ?? { type: "" },
    nodeId: null,
  };
}
