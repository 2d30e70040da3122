/** A node's VXLAN tunnel end point as leases tell of it, in flannel's form: `{"VNI":1,"VtepMAC":"82:4b:..."}`. */
import { createHash } from "node:crypto";
import { foldName } from "../../net/fold-name.ts";
import { MacAddress } from "../../net/mac.ts";
import type { BackendData } from "../../subnet-lease/lease.ts";

const BYTES_OF_MAC = 6;
const OCTETS_AFTER_FIRST = 2 ** 40;
/** Of the first octet (IEEE 802 section 8.2): not assigned by a manufacturer. */
const LOCAL_BIT = 0x02;
const MULTICAST_BIT = 0x01;

/**
 * The MAC address of this node's VTEP. It follows from node id and VNI, so that peers need not learn another one after
 * a restart, a reboot or the loss of the device.
 */
export function deriveVtepMac(nodeId: string, vni: number): MacAddress {
  const digest = createHash("sha256").update(`twill vtep ${vni} ${nodeId}`).digest();
  const value = digest.readUIntBE(0, BYTES_OF_MAC);
  const first = Math.floor(value / OCTETS_AFTER_FIRST);
  return new MacAddress(
    ((first | LOCAL_BIT) & ~MULTICAST_BIT) * OCTETS_AFTER_FIRST + (value % OCTETS_AFTER_FIRST),
  );
}

/** What the lease of a vxlan node says. */
export function vtepData(vni: number, mac: MacAddress): BackendData {
  return { type: "vxlan", data: { VNI: vni, VtepMAC: mac.toString() } };
}

/** A peer's VTEP: its MAC, and that as text, by which no two nodes may be known. */
interface Vtep {
  readonly mac: MacAddress;
  readonly identity: string;
}

/** What was read of data that are still in use: every peer's are asked for again whenever any peer changes. */
const known = new WeakMap<BackendData, Vtep | null>();

/**
 * The MAC address of a peer's VTEP, member names in any case, as Go reads them; null when there is none that frames
 * can be sent to. The VNI is not looked at: flannel does not either.
 */
export function vtepMacOf(backend: BackendData): MacAddress | null {
  return vtepOf(backend)?.mac ?? null;
}

/** The same as text, as a backend's `identityOf` gives it. */
export function vtepIdentityOf(backend: BackendData): string | null {
  return vtepOf(backend)?.identity ?? null;
}

function vtepOf(backend: BackendData): Vtep | null {
  let vtep = known.get(backend);
  if (vtep === undefined) {
    const mac = readVtepMac(backend);
    vtep = mac === null ? null : { mac, identity: mac.toString() };
    known.set(backend, vtep);
  }
  return vtep;
}

function readVtepMac({ data }: BackendData): MacAddress | null {
  if (typeof data !== "object" || data === null || Array.isArray(data)) return null;
  let text: unknown = null;
  for (const [name, value] of Object.entries(data)) if (foldName(name) === "vtepmac") text = value;
  const mac = typeof text === "string" ? MacAddress.parse(text) : null;
  return mac === null || mac.isMulticast || mac.value === 0 ? null : mac;
}
