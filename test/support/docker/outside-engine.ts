/**
 * An engine that reaches what the machine reaches, such as package registries, for building images and for labs made of
 * containers. It has a network namespace of its own all the same: slirp4netns carries its packets as the machine's own
 * connections, so no device, route or rule of the machine is needed.
 *
 *   container ── docker0 ── [namespace, dockerd] ── tap0 ── slirp4netns ── sockets of the machine
 */
import { mkdir } from "node:fs/promises";
import { eventually } from "../../../src/lab/eventually.ts";
import type { Namespace } from "../../../src/lab/machine/namespace.ts";
import { identifyProcess } from "../../../src/files/process-identity.ts";
import { startProgram } from "../../../src/lab/machine/run-command.ts";
import { OverlayError } from "../../../src/net/overlay-error.ts";
import { DockerEngine } from "./docker-engine.ts";
import { ENGINE_VARIABLE, engineDirectory, engineName } from "./engine-name.ts";
import { KEEP, isKeeper } from "./keeper.ts";
import { NamespaceOfProcess } from "./namespace-of-process.ts";
import { removeEngine } from "./remove-engine.ts";

const NAMESPACE = "outside";
/** slirp4netns's own, whatever the machine's is: that may listen on loopback alone. */
const NAME_SERVER = "10.0.2.3";
const CONNECT_TIMEOUT_MS = 10_000;

/** Starts one, as {@link DockerEngine.start}; what it needs besides goes with it. @throws {OverlayError} `ERR_LAB_FAILED` */
export async function startOutsideEngine(flags: readonly string[] = []): Promise<DockerEngine> {
  const maker = identifyProcess(process.pid);
  if (maker === null) throw new OverlayError("ERR_LAB_FAILED", "Cannot start an engine: no /proc here");
  const name = engineName(maker, NAMESPACE);
  try {
    await mkdir(engineDirectory(name), { recursive: true }); // from here on a sweep finds what is started
    return await DockerEngine.start(await connectNamespace(name), [`--dns=${NAME_SERVER}`, ...flags]);
  } catch (err) {
    await removeEngine(name);
    throw err;
  }
}

/** Makes the namespace and its way out, by processes with the engine's mark. */
async function connectNamespace(engine: string): Promise<Namespace> {
  const marked = { stdio: "ignore", env: { [ENGINE_VARIABLE]: engine } } as const;
  const wait = { what: "connect an engine to the outside", timeoutMs: CONNECT_TIMEOUT_MS };
  const pid = startProgram(["unshare", "--net", "--", ...KEEP], marked).pid ?? 0;
  await eventually(() => Promise.resolve(isKeeper(pid)), wait);
  startProgram(["slirp4netns", "--configure", "--disable-host-loopback", `${pid}`, "tap0"], marked);
  const namespace = new NamespaceOfProcess(NAMESPACE, "", pid);
  await eventually(async () => (await namespace.exec(["ip", "route", "get", NAME_SERVER])).code === 0, wait);
  return namespace;
}
