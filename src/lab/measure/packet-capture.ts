/** One packet, as it passes a device: tcpdump, and the few header fields that tell its way. */
import type { ChildProcess } from "node:child_process";
import { Ipv4Address } from "../../net/ipv4.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import type { Namespace } from "../machine/namespace.ts";

/** Header fields of an IPv4 packet (RFC 791 section 3.1) and what it carries. */
export interface CapturedPacket {
  readonly source: string;
  readonly destination: string;
  readonly ipTtl: number;
  readonly protocol: number;
  readonly totalBytes: number;
  readonly payload: Buffer;
}

/** A capture that waits for its packet. */
export interface Capture {
  /** The first packet that matched. @throws {OverlayError} `ERR_LAB_FAILED` when none came in time */
  readonly packet: Promise<CapturedPacket>;
}

const MIN_HEADER_BYTES = 20;
const WORD_BYTES = 4;
/** tcpdump opens its device within a fraction of it. */
const CAPTURE_TIMEOUT_MS = 10_000;
const HEX_LINE = /^\s+0x[0-9a-f]+:\s+([0-9a-f ]+)$/;

/** Reads an IPv4 packet, or gives null when the bytes are none. */
export function decodeIpv4(bytes: Buffer): CapturedPacket | null {
  const first = bytes[0] ?? 0;
  const headerBytes = (first & 0x0f) * WORD_BYTES;
  if (first >>> 4 !== 4 || headerBytes < MIN_HEADER_BYTES || bytes.length < headerBytes) return null;
  return {
    source: new Ipv4Address(bytes.readUInt32BE(12)).toString(),
    destination: new Ipv4Address(bytes.readUInt32BE(16)).toString(),
    ipTtl: bytes.readUInt8(8),
    protocol: bytes.readUInt8(9),
    totalBytes: bytes.readUInt16BE(2),
    payload: bytes.subarray(headerBytes),
  };
}

/** Bytes of the first packet that `tcpdump -x` printed, from the IP header on; empty when there is none. */
export function parseTcpdumpHex(output: string): Buffer {
  const digits: string[] = [];
  for (const line of output.split("\n")) {
    const match = HEX_LINE.exec(line);
    if (match !== null) digits.push((match[1] ?? "").replaceAll(" ", ""));
    else if (digits.length > 0) break;
  }
  return Buffer.from(digits.join(""), "hex");
}

/** Starts to wait for one packet; resolves when the device is watched, so what is sent from now on is seen. */
export async function captureOne(namespace: Namespace, device: string, filter: string): Promise<Capture> {
  const argv = ["tcpdump", "-n", "-x", "-c", "1", "--immediate-mode", "-i", device, filter];
  const child = namespace.start(argv, { stdio: ["ignore", "pipe", "pipe"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), CAPTURE_TIMEOUT_MS);
  const ended = endOf(child);
  const where = `on ${device} in ${namespace.name}`;
  const packet = ended.then(({ stdout, stderr }) => {
    clearTimeout(timer);
    const decoded = decodeIpv4(parseTcpdumpHex(stdout));
    if (decoded !== null) return decoded;
    throw new OverlayError("ERR_LAB_FAILED", `Cannot see the packet ${where}: ${stderr.trim()}`);
  });
  packet.catch(() => undefined); // whoever awaits it gets the failure; nobody may, after another one
  await new Promise<void>((resolve, reject) => {
    child.stderr?.on("data", (text: string) => {
      if (text.includes("listening on")) resolve();
    });
    void ended.then(({ stderr }) =>
      reject(new OverlayError("ERR_LAB_FAILED", `Cannot capture ${where}: ${stderr.trim()}`)),
    );
  });
  return { packet };
}

async function endOf(child: ChildProcess): Promise<{ stdout: string; stderr: string }> {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return await new Promise((resolve) => {
    child.once("error", (err) => resolve({ stdout, stderr: err.message }));
    child.once("close", () => resolve({ stdout, stderr }));
  });
}
