/** Every frame that passes a device, by tcpdump. */
import { once } from "node:events";
import type { Namespace } from "../../src/lab/machine/namespace.ts";

/** pcap file format (draft-ietf-opsawg-pcap): a file header, then a header before each frame. */
const FILE_HEADER_BYTES = 24;
const FRAME_HEADER_BYTES = 16;
const CAPTURED_LENGTH_AT = 8;
/** The byte order of who wrote it, which is this machine; times in microseconds. */
const MAGIC = 0xa1b2c3d4;
/** Kernel memory for frames that tcpdump has not read yet, in KiB. */
const BUFFER_KIB = "32768";

export interface FrameCapture {
  /** The frames that it has seen so far. */
  seen(): Buffer[];
  /** Ends it; resolves with the frames, Ethernet headers first. @throws {Error} when the kernel dropped one */
  stop(): Promise<Buffer[]>;
}

/** Starts a capture; resolves when the device is watched, so what is sent from now on is seen. */
export async function captureFrames(
  namespace: Namespace,
  device: string,
  filter: string,
): Promise<FrameCapture> {
  const argv = ["tcpdump", "-n", "-U", "-B", BUFFER_KIB, "--immediate-mode", "-i", device, "-w", "-", filter];
  const child = namespace.start(argv, { stdio: ["ignore", "pipe", "pipe"] });
  const closed = once(child, "close");
  const chunks: Buffer[] = [];
  let said = "";
  child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk));
  const listening = new Promise<void>((resolve) => {
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (said.includes("listening on")) resolve();
    });
  });
  await Promise.race([listening, closed]);
  return {
    seen: () => parsePcap(Buffer.concat(chunks)),
    async stop() {
      child.kill("SIGINT");
      await closed;
      if (!said.includes("\n0 packets dropped by kernel")) throw new Error(`Capture is incomplete: ${said}`);
      return parsePcap(Buffer.concat(chunks));
    },
  };
}

/** The whole frames of a pcap file, of which the end may be missing. @throws {RangeError} when it is none */
function parsePcap(file: Buffer): Buffer[] {
  if (file.length < FILE_HEADER_BYTES) return [];
  if (file.readUInt32LE(0) !== MAGIC) throw new RangeError("Not a pcap file");
  const frames: Buffer[] = [];
  let at = FILE_HEADER_BYTES;
  for (;;) {
    const start = at + FRAME_HEADER_BYTES;
    if (start > file.length) return frames;
    at = start + file.readUInt32LE(at + CAPTURED_LENGTH_AT);
    if (at > file.length) return frames;
    frames.push(file.subarray(start, at));
  }
}
