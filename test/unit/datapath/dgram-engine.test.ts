import { closeSync, openSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { openDgramEngine } from "../../../src/datapath/dgram-engine.ts";
import type { PacketEngineOptions } from "../../../src/datapath/packet-engine.ts";
import { openPacketPair } from "../../../src/datapath/packet-io.ts";
import { MacAddress } from "../../../src/net/mac.ts";
import { engineOptions, openEngineSocket } from "../../support/engine-bench.ts";
import { countDescriptors } from "../../support/process-resources.ts";

describe("openDgramEngine", () => {
  const bare = { hasVnetHeader: false, takesUdpRuns: false };
  const refused: [string, (fds: [number, number]) => Partial<PacketEngineOptions>][] = [
    ["a virtio-net header", ([fd]) => ({ tun: { fds: [fd], hasVnetHeader: true, takesUdpRuns: false } })],
    ["several queues", (fds) => ({ tun: { fds, ...bare } })],
    ["no queue", () => ({ tun: { fds: [], ...bare } })],
    ["a VNI of 25 bits", () => ({ framing: { kind: "vxlan", vni: 2 ** 24, ownMac: new MacAddress(2) } })],
    ["IPv6 without an address to answer from", () => ({ ...ipv6Options(), tunAddress6: null })],
  ];
  for (const [what, different] of refused) {
    it(`refuses ${what}, and closes all descriptors`, async () => {
      const before = countDescriptors();
      const fds = openPacketPair();
      const options = {
        ...engineOptions(8285),
        tun: { fds: [fds[0]], ...bare },
        socketFd: openEngineSocket(0),
        ...different(fds),
      };
      await expect(openDgramEngine(options)).rejects.toBeInstanceOf(RangeError);
      for (const fd of fds) if (!options.tun.fds.includes(fd)) closeSync(fd);
      expect(countDescriptors()).toBe(before);
    });
  }

  it("leaves no timer when the TUN cannot be watched", async () => {
    vi.useFakeTimers({ toFake: ["setInterval"] });
    try {
      const before = countDescriptors();
      const options = {
        ...engineOptions(8285),
        tun: { fds: [openSync(import.meta.filename, "r")], ...bare }, // epoll takes no regular file
        socketFd: openEngineSocket(0),
      };
      await expect(openDgramEngine(options)).rejects.toMatchObject({ code: "ERR_SOCKET_FAILED" });
      expect(vi.getTimerCount()).toBe(0);
      expect(countDescriptors()).toBe(before);
    } finally {
      vi.useRealTimers();
    }
  });

  it("takes a source port by flow, and offloads, and does without", async () => {
    const [tunFd, farFd] = openPacketPair();
    const engine = await openDgramEngine({
      ...engineOptions(8285),
      tun: { fds: [tunFd], ...bare },
      socketFd: openEngineSocket(0),
      offload: "off",
      sourcePort: "flow-hash",
    });
    await engine.close();
    closeSync(farFd);
    expect(engine.name).toBe("dgram");
  });
});

function ipv6Options(): Partial<PacketEngineOptions> {
  return engineOptions(8285, { hasIpv6: true });
}
