/** Every method of Docker's protocol that twill has: from the fields of a request to the answer. */
import { Ipv4Address } from "../../net/ipv4.ts";
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
import type { Remains } from "./remains.ts";
import { releaseAddress } from "./state/addresses.ts";
import { requireLease } from "./state/host-lease.ts";
import type { PluginState } from "./state/plugin-state.ts";
import { withEntry, withoutEntry } from "./state/plugin-state.ts";
import type { StateStore } from "./state/state-store.ts";

/** What methods act on. */
export interface Tools {
  readonly store: StateStore;
  readonly links: HostLinks;
  readonly remains: Remains;
}

type Answer = Outcome["answer"];
type Run = (circumstances: Circumstances, fields: RequestFields, tools: Tools) => Promise<Answer>;
/** Undoes what a run has done: the difference from the state before it, which no other request has seen. */
type TakeBack = (before: PluginState, fields: RequestFields, tools: Tools) => Promise<void>;

/** How a request is carried out, and what becomes of it when Docker got another answer meanwhile: that it took too long. */
export interface Method {
  /** What it changes is on disk when this resolves. */
  readonly run: Run;
  /**
   * Docker has what it asked for only by an answer, so what comes too late is not begun, or taken back. Null: Docker forgets
   * what it gives back whatever the answer is, so that is carried out all the same.
   */
  readonly takeBack: TakeBack | null;
}

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
  ["IpamDriver.RequestPool", asking(givePool)],
  [
    "IpamDriver.RequestAddress",
    asking(
      decided((at, fields) => requestAddress(at, parseAddress(fields))),
      takeAddressBack,
    ),
  ],
  [
    "IpamDriver.ReleaseAddress",
    givingBack(decided((at, fields) => releaseAddressRequest(at, parseAddress(fields)))),
  ],
  ["NetworkDriver.CreateNetwork", asking(makeNetwork, takeNetworkBack)],
  ["NetworkDriver.DeleteNetwork", givingBack(removeNetwork)],
  [
    "NetworkDriver.CreateEndpoint",
    asking(
      decided((at, fields) => createEndpoint(at, parseCreateEndpoint(fields))),
      takeEndpointBack,
    ),
  ],
  ["NetworkDriver.DeleteEndpoint", givingBack(removeEndpoint)],
  ["NetworkDriver.Join", asking(connect)], // its veth goes with the endpoint, which Docker deletes then
  ["NetworkDriver.ProgramExternalConnectivity", asking(publish)],
]);

function asking(run: Run, takeBack: TakeBack = () => Promise.resolve()): Method {
  return { run, takeBack };
}

function givingBack(run: Run): Method {
  return { run, takeBack: null };
}

/** A method that changes the state alone. */
function decided(decide: (circumstances: Circumstances, fields: RequestFields) => Outcome): Run {
  return async (circumstances, fields, { store }) => {
    const { state, answer } = decide(circumstances, fields);
    await store.save(state);
    return answer;
  };
}

async function givePool(at: Circumstances, fields: RequestFields, tools: Tools): Promise<Answer> {
  const { store, links, remains } = tools;
  const request = parseRequestPool(fields);
  const { state, answer } = requestPool(at, request);
  if (request.pool === null) {
    await remains.remove(state); // they would be in the way
    await links.checkPool(state, requireLease(at.view));
  }
  await store.save(state);
  return answer;
}

/** Frees the address by its release: another request must not get the number of this grant. */
async function takeAddressBack(before: PluginState, fields: RequestFields, { store }: Tools): Promise<void> {
  const { poolId } = parseAddress(fields);
  const pool = store.state.pools.get(poolId);
  const held = [...(pool?.held.keys() ?? [])];
  const given = held.find((value) => before.pools.get(poolId)?.held.has(value) !== true);
  if (pool !== undefined && given !== undefined)
    await store.save(releaseAddress(store.state, pool, new Ipv4Address(given)));
}

/** Nothing is in the kernel of an endpoint that nobody has joined. */
async function takeEndpointBack(before: PluginState, fields: RequestFields, { store }: Tools): Promise<void> {
  const request = parseEndpoint(fields);
  if (before.endpoints.has(request.endpointId)) return;
  await store.save(deleteEndpoint(store.state, request));
}

/** On disk before it is in the kernel: no bridge is ever there that nobody knows. */
async function makeNetwork(at: Circumstances, fields: RequestFields, tools: Tools): Promise<Answer> {
  const { store, links, remains } = tools;
  const before = at.state;
  const network = createNetwork(at, parseCreateNetwork(fields));
  const state = { ...before, networks: withEntry(before.networks, network.id, network) };
  await remains.remove(state); // the same where Docker has named the pool
  const makeBridge = await links.prepareNetwork(state, network);
  await store.save(state);
  try {
    await makeBridge();
  } catch (err) {
    await takeNetworkBack(before, fields, tools);
    throw err;
  }
  return {};
}

/** What was made of it would stand in the way of the next try, which has another id. */
async function takeNetworkBack(
  before: PluginState,
  fields: RequestFields,
  { store, remains }: Tools,
): Promise<void> {
  const { networkId } = parseNetwork(fields);
  if (!store.state.networks.has(networkId) || before.networks.has(networkId)) return;
  await remains.removeNetwork(store.state, networkId);
  await store.save({ ...store.state, networks: withoutEntry(store.state.networks, networkId) });
}

/** Docker forgets the network whatever is said, so the lease is free whatever the kernel says. */
async function removeNetwork(
  { state }: Circumstances,
  fields: RequestFields,
  { store, remains }: Tools,
): Promise<Answer> {
  const request = parseNetwork(fields);
  await remains.removeNetwork(state, request.networkId);
  await store.save(deleteNetwork(state, request));
  return {};
}

/** The same. Its devices are those of a dead container: they disturb nobody who gets the address next. */
async function removeEndpoint(
  { state }: Circumstances,
  fields: RequestFields,
  { store, remains }: Tools,
): Promise<Answer> {
  const request = parseEndpoint(fields);
  await remains.removeEndpoint(state, request.endpointId);
  await store.save(deleteEndpoint(state, request));
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
