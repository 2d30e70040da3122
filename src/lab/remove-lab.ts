/** Taking down what a record lists, and nothing else. */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { waitGone } from "./machine/lab-process.ts";
import { NETNS_DIRECTORY } from "./machine/namespace.ts";
import { isRunning, processesWithVariable, signalProcess } from "../files/process-identity.ts";
import type { ProcessIdentity } from "../files/process-identity.ts";
import { runChecked } from "./machine/run-command.ts";
import { TOKEN_VARIABLE } from "./record/lab-record.ts";
import type { LabOwner, LabRecord } from "./record/lab-record.ts";
import { forgetLab, isAbandoned, listLabs, tidyStore } from "./record/lab-store.ts";

/**
 * Takes a lab down: its processes, its namespaces with all in them, its files, in this order, so that one that is
 * interrupted can be repeated. What is gone already is no error.
 */
export async function removeLab(root: string, record: LabRecord): Promise<void> {
  await killProcesses(record);
  await removeNamespaces(record.namespaces);
  await removeSubnetFiles(record);
  await forgetLab(root, record.name);
  await tidyStore(root);
}

/** Takes down the abandoned labs of one kind; resolves with their names. */
export async function sweepLabs(root: string, owner: LabOwner): Promise<string[]> {
  const abandoned = (await listLabs(root)).filter((record) => record.owner === owner && isAbandoned(record));
  for (const record of abandoned) await removeLab(root, record);
  return abandoned.map((record) => record.name);
}

/**
 * SIGKILL, not SIGTERM: what the processes would put in order goes with the namespaces. Found are those the
 * record names and those that carry its token, which nothing else on the machine does: pings, servers, and
 * what was started in the moment before its record.
 */
async function killProcesses(record: LabRecord): Promise<void> {
  const recorded = [record.etcd, ...record.hosts.map((host) => host.agent)];
  const killed: ProcessIdentity[] = recorded.filter((identity) => identity !== null);
  for (const identity of killed) signalProcess(identity, "SIGKILL");
  // One may start another while we look: look until nobody is left.
  for (let found = marked(record); found.length > 0; found = marked(record)) {
    for (const identity of found) signalProcess(identity, "SIGKILL");
    await waitGone(found);
  }
  await waitGone(killed);
}

function marked(record: LabRecord): ProcessIdentity[] {
  return processesWithVariable(`${TOKEN_VARIABLE}=${record.token}`).filter(isRunning);
}

async function removeNamespaces(names: readonly string[]): Promise<void> {
  const lines = names
    .filter((name) => existsSync(join(NETNS_DIRECTORY, name)))
    .map((name) => `netns del ${name}`);
  if (lines.length === 0) return;
  // -force: a namespace that went since we looked does not keep the rest from going.
  await runChecked(["ip", "-force", "-batch", "-"], { stdin: `${lines.join("\n")}\n` });
}

/** Subnet files may lie outside the lab's folder, where the user wanted them. */
async function removeSubnetFiles(record: LabRecord): Promise<void> {
  for (const host of record.hosts) await rm(host.subnetFile, { force: true });
}
