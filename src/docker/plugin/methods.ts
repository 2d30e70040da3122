/** Every method of Docker's protocol that twill has: from the fields of a request to the answer. */
import { releaseAddressRequest, requestAddress, requestPool } from "./ipam-driver.ts";
import type { HostLinks } from "./links/host-links.ts";
import {
  createEndpoint,
  createNetwork,
  deleteEndpoint,
  deleteNetwork,
  join,
  programExternalConnectivity,
} from "./network-driver.ts";
import { parseAddress, parseRequestPool } from "./protocol/ipam-requests.ts";
import {
  parseCreateEndpoint,
  parseCreateNetwork,
  parseEndpoint,
  parseNetwork,
  parsePublish,
} from "./protocol/network-requests.ts";
import type { RequestFields } from "./protocol/request-fields.ts";
import type { Circumstances, Outcome } from "./refusals.ts";
import { requireLease } from "./state/host-lease.ts";
import { withEntry } from "./state/plugin-state.ts";
import type { StateStore } from "./state/state-store.ts";

/** What methods act on. */
export interface Tools {
  readonly store: StateStore;
  readonly links: HostLinks;
}

type Answer = Outcome["answer"];
type Method = (circumstances: Circumstances, fields: RequestFields, tools: Tools) => Promise<Answer>;

/** Answers that depend on nothing, also with a body that says nothing. */
export const FIXED_ANSWERS: ReadonlyMap<string, Answer> = new Map<string, Answer>([
  ["Plugin.Activate", { Implements: ["NetworkDriver", "IpamDriver"] }],
  ["NetworkDriver.GetCapabilities", { Scope: "local", ConnectivityScope: "global" }],
  ["NetworkDriver.EndpointOperInfo", { Value: {} }],
  ["NetworkDriver.Leave", {}], // Docker takes the device out of the container after this: it goes with the endpoint
  ["NetworkDriver.RevokeExternalConnectivity", {}],
  ["NetworkDriver.DiscoverNew", {}],
  ["NetworkDriver.DiscoverDelete", {}],
  // Each address is given back by itself, and a network's when it is deleted: of a pool that somebody else's driver uses too, or
  // that a refused second network gives back, nothing may be freed under containers that live.
  ["IpamDriver.ReleasePool", {}],
  ["IpamDriver.GetCapabilities", { RequiresMACAddress: false, RequiresRequestReplay: true }],
  [
    "IpamDriver.GetDefaultAddressSpaces",
    { LocalDefaultAddressSpace: "twill-local", GlobalDefaultAddressSpace: "twill-global" },
  ],
]);

/** The others. */
export const METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ["IpamDriver.RequestPool", givePool],
  ["IpamDriver.RequestAddress", decided((at, fields) => requestAddress(at, parseAddress(fields)))],
  ["IpamDriver.ReleaseAddress", decided((at, fields) => releaseAddressRequest(at, parseAddress(fields)))],
  ["NetworkDriver.CreateNetwork", makeNetwork],
  ["NetworkDriver.DeleteNetwork", removeNetwork],
  ["NetworkDriver.CreateEndpoint", decided((at, fields) => createEndpoint(at, parseCreateEndpoint(fields)))],
  ["NetworkDriver.DeleteEndpoint", removeEndpoint],
  ["NetworkDriver.Join", connect],
  ["NetworkDriver.ProgramExternalConnectivity", publish],
]);

/** A method that changes the state alone. */
function decided(decide: (circumstances: Circumstances, fields: RequestFields) => Outcome): Method {
  return async (circumstances, fields, { store }) => {
    const { state, answer } = decide(circumstances, fields);
    await store.save(state);
    return answer;
  };
}

async function givePool(at: Circumstances, fields: RequestFields, { store, links }: Tools): Promise<Answer> {
  const request = parseRequestPool(fields);
  const { state, answer } = requestPool(at, request);
  if (request.pool === null) await links.checkPool(state, requireLease(at.view));
  await store.save(state);
  return answer;
}

/** On disk before it is in the kernel: no bridge is ever there that nobody knows. */
async function makeNetwork(
  at: Circumstances,
  fields: RequestFields,
  { store, links }: Tools,
): Promise<Answer> {
  const network = createNetwork(at, parseCreateNetwork(fields));
  const before = at.state;
  const state = { ...before, networks: withEntry(before.networks, network.id, network) };
  await links.checkPlace(state, network);
  await store.save(state);
  try {
    await links.makeNetwork(state, network);
  } catch (err) {
    // What was made of it would stand in the way of the next try, which has another id.
    await links.removeNetwork(state, network.id).catch(() => undefined);
    await store.save(before);
    throw err;
  }
  return {};
}

/** In the kernel before it is on disk: what could not be deleted is still known, and Docker hears of it. */
async function removeNetwork(
  at: Circumstances,
  fields: RequestFields,
  { store, links }: Tools,
): Promise<Answer> {
  const request = parseNetwork(fields);
  await links.removeNetwork(at.state, request.networkId);
  await store.save(deleteNetwork(at.state, request));
  return {};
}

async function removeEndpoint(
  at: Circumstances,
  fields: RequestFields,
  { store, links }: Tools,
): Promise<Answer> {
  const request = parseEndpoint(fields);
  await links.disconnect(at.state, [request.endpointId]);
  await store.save(deleteEndpoint(at.state, request));
  return {};
}

async function connect(at: Circumstances, fields: RequestFields, { store, links }: Tools): Promise<Answer> {
  const { network, endpoint, answer } = join(at, parseEndpoint(fields));
  await store.save(at.state); // with what the subnet file says now
  await links.connect(at.state, network, endpoint);
  return answer;
}

async function publish({ state }: Circumstances, fields: RequestFields): Promise<Answer> {
  programExternalConnectivity(state, parsePublish(fields));
  return Promise.resolve({});
}
