/** ADD, DEL and CHECK: what is told to the delegate, and what is kept of it between them. */
import { readSubnetFile } from "../files/read-subnet-file.ts";
import { temporaryPath } from "../files/replace-file.ts";
import type { SubnetFile } from "../files/subnet-file.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { showUntrusted } from "../net/untrusted-text.ts";
import { noteAttached, noteBegin, readState, removeState, stateFiles } from "./attachment-state.ts";
import type { StateFiles } from "./attachment-state.ts";
import { CNI_CODE, CniError } from "./cni-error.ts";
import { isInterfaceThere, isNamespaceThere, isOtherNamespace, namespaceAt } from "./container-namespace.ts";
import type { ContainerNamespace } from "./container-namespace.ts";
import type { NetworkConfig } from "./network-config.ts";
import { planDelegate, subnetOf, withGateways, withPrevResult } from "./plan-delegate.ts";
import type { DelegateConfig } from "./plan-delegate.ts";
import { readAttachment } from "./plugin-request.ts";
import type { Environment } from "./plugin-request.ts";
import { refuseRival } from "./rival-device.ts";
import { findDelegate, runDelegate } from "./run-delegate.ts";

/** One call by a runtime. */
export interface PluginCall {
  readonly env: Environment;
  readonly config: NetworkConfig;
  /** Takes a line for whoever reads the runtime's log. */
  readonly log: (line: string) => void;
  /** Aborted when the delegates of this call have had their time. */
  readonly signal: AbortSignal;
}

/**
 * ADD: attaches the container and gives the delegate's result. What an ADD left of it that was killed, or whose container
 * went without a DEL, is taken away first; a container that is attached is left alone.
 */
export async function attach(call: PluginCall): Promise<string> {
  const { env, signal } = call;
  const files = filesOf(call);
  const delegate = await planAttachment(call); // before anything is written
  await clearAttached(call, files);
  await release(call, files.unfinished);
  await noteBegin(files, { delegate, namespace: namespaceAt(env.CNI_NETNS ?? "") });
  const result = await runDelegate("ADD", delegate, env, signal);
  await noteAttached(files);
  return result;
}

/**
 * DEL: detaches the container, as it was attached. Nothing attached is a success, the subnet file is not needed. So is
 * what is attached in another namespace: a runtime answers the refusal of an ADD by a DEL, which is not of that one.
 */
export async function detach(call: PluginCall): Promise<string> {
  const files = filesOf(call);
  await release(call, files.unfinished);
  if (!(await isAttachedElsewhere(call, files))) await release(call, files.attached);
  await removeState(temporaryPath(files.unfinished)); // where an ADD was killed while it wrote
  return "";
}

/** CHECK: fails when the attachment is not as its ADD left it, or no packet finds the way to its address any more. */
export async function checkAttachment(call: PluginCall): Promise<string> {
  const { env, config, signal } = call;
  const { containerId, interfaceName } = readAttachment(env);
  const state = await readState(filesOf(call).attached);
  if (state === null || state === "damaged") {
    throw new CniError(
      CNI_CODE.containerUnknown,
      `Cannot check the container: ${interfaceName} of ${containerId} was not attached to network ${config.name} by twill-cni; attach it first (ADD)`,
    );
  }
  const { delegate } = state;
  checkSubnetIsHere(delegate, await subnetFileIfThere(config.subnetFile));
  const prevResult = config.prevResult && withGateways(config.prevResult);
  await runDelegate("CHECK", withPrevResult(delegate, { ...config, prevResult }), env, signal);
  return "";
}

/** What the delegate is to be told by an ADD; throws where that would fail for sure. */
async function planAttachment({ env, config }: PluginCall): Promise<DelegateConfig> {
  const file = await readSubnetFile(config.subnetFile);
  const delegate = planDelegate(config, file);
  findDelegate(delegate.type, env);
  await refuseRival(delegate, file.subnet);
  return delegate;
}

function filesOf({ env, config }: PluginCall): StateFiles {
  return stateFiles(config.dataDir, config.name, readAttachment(env));
}

/**
 * Throws while the container has the interface of an earlier ADD: what the delegate would refuse now, the next call would
 * undo, and with it the container's network. Where the interface has gone with its namespace, because the host or the
 * runtime died before the DEL, the rest of it is released: a runtime that gives a container its old id knows no other way.
 * So is what a damaged file told of: only a power cut damages one, and no container outlives that.
 */
async function clearAttached(call: PluginCall, { attached }: StateFiles): Promise<void> {
  const { env, config } = call;
  const { containerId, interfaceName } = readAttachment(env);
  const state = await readState(attached);
  if (state === null) return;
  if (state !== "damaged" && (await isInterfaceThere(state.namespace, interfaceName))) {
    throw new CniError(
      CNI_CODE.alreadyAttached,
      `Cannot attach the container: ${interfaceName} of ${containerId} is attached to network ${config.name} already, in ${showUntrusted(state.namespace.path)}; detach it first (DEL), or remove that namespace once nothing runs in it`,
    );
  }
  // Not in the namespace of this ADD: what has that name in there is not of this attachment.
  await release({ ...call, env: { ...env, CNI_NETNS: "" } }, attached);
}

/**
 * Whether the container is attached in another namespace than that of this DEL, and that one is still there, with or
 * without the interface: it may have got another name. Logs that it is left alone.
 */
async function isAttachedElsewhere({ env, config, log }: PluginCall, files: StateFiles): Promise<boolean> {
  const { containerId, interfaceName } = readAttachment(env);
  const netns = env.CNI_NETNS ?? "";
  const state = await readState(files.attached);
  if (state === null || state === "damaged") return false;
  if (!isOtherNamespace(netns, state.namespace) || !isNamespaceThere(state.namespace)) return false;
  log(
    `Left ${interfaceName} of ${containerId} attached to network ${config.name} in ${showUntrusted(state.namespace.path)}: this DEL is for another namespace, ${showUntrusted(netns)}`,
  );
  return true;
}

/** Has the delegate undo what the file tells of, then removes the file; it stays for the next DEL when that fails. */
async function release({ env, config, log, signal }: PluginCall, path: string): Promise<void> {
  const state = await readState(path);
  if (state === null) return;
  if (state === "damaged") log(`Cannot detach what ${path} tells of: it is damaged; removing it`);
  else {
    const variables = { ...env, CNI_NETNS: netnsToClear(env.CNI_NETNS ?? "", state.namespace) };
    await runDelegate("DEL", withPrevResult(state.delegate, config), variables, signal);
  }
  await removeState(path);
}

/** In which namespace the delegate may remove the interface: never in another, where it is somebody else's. */
function netnsToClear(asked: string, attached: ContainerNamespace): string {
  if (!isOtherNamespace(asked, attached)) return asked;
  return isNamespaceThere(attached) ? attached.path : ""; // none is what the specification has for one that is gone
}

/** Throws when this host leases another subnet by now, so that the container's address is somebody else's. */
function checkSubnetIsHere(delegate: DelegateConfig, file: SubnetFile | null): void {
  const [was, is] = [subnetOf(delegate), file?.subnet.toString()];
  if (was === null || is === undefined || was === is) return;
  throw new CniError(
    CNI_CODE.failed,
    `Cannot vouch for the container: its address is of ${was}, and this host leases ${is} now; make the container anew`,
  );
}

/** Null before the first lease, as after a reboot: that says nothing against a container. */
async function subnetFileIfThere(path: string): Promise<SubnetFile | null> {
  try {
    return await readSubnetFile(path);
  } catch (err) {
    if (err instanceof OverlayError && err.code === "ERR_LEASE_MISSING") return null;
    throw err;
  }
}
