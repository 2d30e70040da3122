/** flannel's udp backend on the hosts of the lab, with the subnets that the pods are in already. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LabHost } from "../../lab/host/lab-host.ts";
import type { SubnetFile } from "../../files/subnet-file.ts";
import { LabProcess } from "../../lab/machine/lab-process.ts";
import { eventually } from "../../lab/eventually.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import type { BenchPlace } from "../bench-place.ts";
import type { Carrier } from "./carrier.ts";

/** Name of its TUN. */
const OVERLAY_DEVICE = "flannel0";
/** IPv4 20, UDP 8. */
const OVERHEAD_BYTES = 28;
/** Leases of its own, so that neither program ever sees the other's. */
const ETCD_PREFIX = "/bench/flannel/network";
const READY_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;
/** Part of the log that an error repeats, in UTF-16 units. */
const SHOWN_LOG = 500;

/** Starts flanneld on both hosts; resolves when both hold the pods' subnets. @throws {OverlayError} `ERR_LAB_FAILED` */
export async function startFlannel(
  place: BenchPlace,
  program: string,
  signal: AbortSignal,
): Promise<Carrier> {
  const { etcd, network } = place.lab;
  const config = JSON.stringify({ Network: network, Backend: { Type: "udp" } });
  await etcd.etcdctl(["put", `${ETCD_PREFIX}/config`, "--", config]);
  const overlayMtu = place.lab.record.underlayMtu - OVERHEAD_BYTES;
  const started: LabProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((one) => one.stop(STOP_TIMEOUT_MS)));
  };
  try {
    for (const host of [place.senderHost, place.receiverHost]) {
      started.push(
        await startOnHost(
          host,
          { program, etcdUrl: etcd.url, directory: place.lab.directory, overlayMtu },
          signal,
        ),
      );
    }
    return { agents: null, overlay: { name: OVERLAY_DEVICE, kind: "tun" }, overlayMtu, stop };
  } catch (err) {
    await stop();
    throw err;
  }
}

interface FlannelStart {
  readonly program: string;
  readonly etcdUrl: string;
  /** The lab's. */
  readonly directory: string;
  readonly overlayMtu: number;
}

async function startOnHost(host: LabHost, start: FlannelStart, signal: AbortSignal): Promise<LabProcess> {
  const directory = join(start.directory, host.name, "flannel");
  const [subnetFile, logFile] = [join(directory, "subnet.env"), join(directory, "flanneld.log")];
  await mkdir(directory, { recursive: true });
  // flanneld leases the subnet that it finds in its file, when nobody has it.
  const wanted = await host.subnetFile();
  await writeFile(subnetFile, subnetFileText({ ...wanted, overlayMtu: start.overlayMtu }));
  const flannel = await LabProcess.start({
    namespace: host.namespace,
    argv: [
      start.program,
      `--etcd-endpoints=${start.etcdUrl}`,
      `--etcd-prefix=${ETCD_PREFIX}`,
      "--iface=eth0",
      `--subnet-file=${subnetFile}`,
      "--iptables-forward-rules=false", // they would stay, and slow down the rows after it
    ],
    logFile,
  });
  try {
    const leased = await waitForDeviceAddress(flannel, { host, logFile }, signal);
    if (leased === wanted.subnet.address.toString()) return flannel;
    throw new OverlayError(
      "ERR_LAB_FAILED",
      `Cannot measure ${start.program} on ${host.name}: it leased the subnet at ${leased}, the pods are in ${wanted.subnet.toString()}`,
    );
  } catch (err) {
    await flannel.stop(STOP_TIMEOUT_MS);
    throw err;
  }
}

function subnetFileText({ network, gateway, subnet, overlayMtu }: SubnetFile): string {
  return [
    `FLANNEL_NETWORK=${network.toString()}`,
    `FLANNEL_SUBNET=${gateway.toString()}/${subnet.length}`,
    `FLANNEL_MTU=${overlayMtu}`,
    "FLANNEL_IPMASQ=false",
    "",
  ].join("\n");
}

/** Waits for flanneld's device and resolves with its address, which is the first of the subnet it leased. */
async function waitForDeviceAddress(
  flannel: LabProcess,
  { host, logFile }: { readonly host: LabHost; readonly logFile: string },
  signal: AbortSignal,
): Promise<string> {
  const what = `see flanneld ready on ${host.name}`;
  try {
    return await eventually(() => readDeviceAddress(host), {
      what,
      timeoutMs: READY_TIMEOUT_MS,
      signal,
      giveUp: () => endedError(flannel, what),
    });
  } catch (err) {
    if (!(err instanceof OverlayError)) throw err;
    const log = await readFile(logFile, "utf8").catch(() => "");
    const message = `${err.message}; its log ends with\n${log.slice(-SHOWN_LOG)}`;
    throw new OverlayError(err.code, message, {}, { cause: err });
  }
}

async function readDeviceAddress(host: LabHost): Promise<string | null> {
  const shown = await host.exec(["ip", "-j", "-4", "addr", "show", "dev", OVERLAY_DEVICE, "up"]);
  if (shown.code !== 0) return null;
  const links = JSON.parse(shown.stdout) as { addr_info?: { local: string }[] }[];
  return links.flatMap((link) => link.addr_info ?? [])[0]?.local ?? null;
}

function endedError(flannel: LabProcess, what: string): OverlayError | null {
  if (flannel.isRunning) return null;
  return new OverlayError("ERR_LAB_FAILED", `Cannot ${what}: process ${flannel.pid} has ended`);
}
