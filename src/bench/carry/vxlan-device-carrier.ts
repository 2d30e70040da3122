/**
 * The kernel's vxlan device as flannel sets it up, by hand: device, address, and for the other host a permanent
 * neighbour and FDB entry, and a route that takes its base address for a gateway on the link.
 *
 *   pod subnet S of the other host > route S via B onlink > flannel.1 > neighbour B = MAC > FDB MAC = host > eth0
 */
import type { LabHost } from "../../lab/host/lab-host.ts";
import type { BenchPlace } from "../bench-place.ts";
import type { Carrier } from "./carrier.ts";

const DEVICE = "flannel.1";
const VNI = 1;
const PORT = 8472;
/** IPv4 20, UDP 8, VXLAN 8, Ethernet 14. */
const OVERHEAD_BYTES = 50;

interface End {
  readonly host: LabHost;
  /** First address of its subnet. */
  readonly base: string;
  readonly subnet: string;
  /** Locally administered. */
  readonly mac: string;
}

/** Makes the device on both hosts. @throws {OverlayError} `ERR_LAB_FAILED` */
export async function startVxlanDevices(place: BenchPlace, signal: AbortSignal): Promise<Carrier> {
  const overlayMtu = place.lab.record.underlayMtu - OVERHEAD_BYTES;
  const sender = await endOf(place.senderHost, "02:00:00:00:00:01");
  const receiver = await endOf(place.receiverHost, "02:00:00:00:00:02");
  const stop = async (): Promise<void> => {
    // Routes, neighbours and FDB entries go with their device; one that was never made is no matter.
    for (const { host } of [sender, receiver]) await host.exec(["ip", "link", "del", DEVICE]);
  };
  try {
    await makeDevice(sender, receiver, { overlayMtu, signal });
    await makeDevice(receiver, sender, { overlayMtu, signal });
    return { agents: null, overlay: { name: DEVICE, kind: "vxlan" }, overlayMtu, stop };
  } catch (err) {
    await stop();
    throw err;
  }
}

async function endOf(host: LabHost, mac: string): Promise<End> {
  const { subnet } = await host.subnetFile();
  return { host, base: subnet.address.toString(), subnet: subnet.toString(), mac };
}

async function makeDevice(
  own: End,
  other: End,
  { overlayMtu, signal }: { readonly overlayMtu: number; readonly signal: AbortSignal },
): Promise<void> {
  const vxlan = `type vxlan id ${VNI} dev eth0 local ${own.host.underlayIp} nolearning dstport ${PORT}`;
  await own.host.namespace.ip(
    [
      `link add ${DEVICE} address ${own.mac} mtu ${overlayMtu} txqueuelen 0 ${vxlan}`,
      `addr add ${own.base}/32 dev ${DEVICE}`,
      `link set ${DEVICE} up`,
      `neigh replace ${other.base} lladdr ${other.mac} dev ${DEVICE} nud permanent`,
      `route replace ${other.subnet} via ${other.base} dev ${DEVICE} onlink`,
    ],
    signal,
  );
  const entry = [
    "fdb",
    "replace",
    other.mac,
    "dev",
    DEVICE,
    "self",
    "permanent",
    "dst",
    other.host.underlayIp,
  ];
  await own.host.execChecked(["bridge", ...entry], { signal });
}
