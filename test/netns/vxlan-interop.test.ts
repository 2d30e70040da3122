/**
 * Our vxlan in user space against the kernel's, configured by hand with the commands that flannel amounts to:
 *
 *   pod 10.244.1.2 -- [h1: TUN flannel.1, packet engine] eth0 == br0 == eth0 [h2: vxlan device flannel.1] -- pod 10.244.2.2
 */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DatapathOptions } from "../../src/datapath/choose-engine.ts";
import type { Namespace } from "../../src/lab/machine/namespace.ts";
import { BackendNetwork, ping } from "../support/backend-hosts.ts";
import { OPTIMISED, buildCProgram } from "../support/build-c-program.ts";
import type { CProgram } from "../support/build-c-program.ts";
import { eventually } from "../support/eventually.ts";
import { captureFrames } from "../support/frame-capture.ts";
import { frameOf } from "../support/frames.ts";
import type { FrameFields } from "../support/frames.ts";
import { PROTOCOL, countingBytes, icmpPayload, packetOf } from "../support/packets.ts";
import { VXLAN_PORT, addPeerByHand, makeKernelVxlan, openVxlan } from "../support/vxlan-hosts.ts";
import type { BackendNode, VxlanNode } from "../support/vxlan-hosts.ts";
import { checkVxlanFrame } from "../support/wire-checksums.ts";
import type { CheckedFrame } from "../support/wire-checksums.ts";

const ECHO_PEER = fileURLToPath(new URL("../support/echo-peer.ts", import.meta.url));
const SEND = fileURLToPath(new URL("../support/send-each.ts", import.meta.url));
const KERNEL_MAC = "82:4b:b6:2f:54:4e";
const [POD1, POD2] = ["10.244.1.2", "10.244.2.2"];
const ECHO_PORT = 5000;
/** Largest UDP payload over IPv4: 65,535 less 20 and 8. In packets of 1,450 bytes it is 46 fragments. */
const LARGEST_DATAGRAM = 65_507;
const STREAM_BYTES = 2 * 1024 * 1024;
/** So many that they hardly have one port by chance. */
const FLOWS = 8;
/** Behind Ethernet and IPv4 headers. */
const OUTER_SOURCE_PORT_AT = 34;
/** Less where every packet is looked at. */
const CAPTURED_BYTES = 256 * 1024;

let finishChecksums: CProgram;
beforeAll(async () => {
  finishChecksums = await buildCProgram(
    fileURLToPath(new URL("../support/finish-checksums.c", import.meta.url)),
    [],
    OPTIMISED,
  );
});
afterAll(async () => {
  await finishChecksums[Symbol.asyncDispose]();
});

/**
 * h1 with our backend and h2 with the kernel's device, known to each other. A veth passes on what no wire has, inner
 * checksums that are not finished and runs that are not cut, and a receiver in user space cannot tell: so the kernel is
 * made to finish them, as for a network card without offloads.
 */
async function connect(
  network: BackendNetwork,
  datapath: Partial<DatapathOptions>,
): Promise<[BackendNode, VxlanNode]> {
  for (const number of [1, 2]) {
    await network.host(number).namespace.execChecked([finishChecksums.path, "eth0"]);
  }
  const ours = await openVxlan(network.host(1), { datapath });
  const kernels = await makeKernelVxlan(network.host(2), KERNEL_MAC);
  await addPeerByHand(kernels.host, ours);
  await ours.backend.ask({ do: "sync", peers: [kernels.peer] });
  return [ours, kernels];
}

/** Data from one pod to the other and back; fails when anything of it is not as it was. */
async function exchange(
  from: Namespace,
  to: Namespace,
  address: string,
  ...modes: string[][]
): Promise<void> {
  const argv = [process.execPath, ECHO_PEER, "serve", `${ECHO_PORT}`];
  const server = to.start(argv, { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await new Promise((resolve) => server.stdout?.once("data", resolve));
    for (const [mode = "", ...rest] of modes) {
      await from.execChecked([process.execPath, ECHO_PEER, mode, address, `${ECHO_PORT}`, ...rest]);
    }
  } finally {
    server.kill("SIGKILL");
  }
}

async function nonZero({ backend }: BackendNode): Promise<Record<string, number>> {
  return Object.fromEntries(Object.entries(await backend.counters()).filter(([, value]) => value !== 0));
}

describe.each<[string, Partial<DatapathOptions>]>([
  ["native", { engine: "native", queues: 1 }],
  ["native without offloads", { engine: "native", queues: 1, offload: "off" }],
  ["dgram", { engine: "dgram" }],
])("vxlan in user space (%s) with the kernel's vxlan", (_name, datapath) => {
  it("carries a packet of exactly 1,450 bytes with DF both ways, and refuses 1,451", async () => {
    await using network = await BackendNetwork.create(2);
    const [{ host: h1 }, { host: h2 }] = await connect(network, datapath);

    for (const [pod, target] of [
      [h1.pod, POD2],
      [h2.pod, POD1],
    ] as const) {
      expect((await ping(pod, target, { bytes: 1450 })).received).toBeGreaterThanOrEqual(3);
      const tooLong = await ping(pod, target, { bytes: 1451, isAnswered: false });
      expect(tooLong.received).toBe(0);
      expect(tooLong.output).toContain("mtu = 1450");
    }
    expect(await network.leaks()).toBe(0);
  });

  it("carries TCP and 64 KiB datagrams in fragments both ways, whoever begins", async () => {
    await using network = await BackendNetwork.create(2);
    const [{ host: h1 }, { host: h2 }] = await connect(network, datapath);
    const modes = [
      ["tcp", `${STREAM_BYTES}`],
      ["udp", `${LARGEST_DATAGRAM}`, "5"],
    ];

    await exchange(h1.pod, h2.pod, POD2, ...modes);
    await exchange(h2.pod, h1.pod, POD1, ...modes);

    expect(await network.leaks()).toBe(0);
  });

  it("sends right checksums, outside and inside, and so does the kernel", async () => {
    await using network = await BackendNetwork.create(2);
    const [{ host: h1 }, { host: h2 }] = await connect(network, datapath);
    const capture = await captureFrames(network.underlay, "br0", `udp dst port ${VXLAN_PORT}`);

    await ping(h1.pod, POD2, { bytes: 1450 });
    await exchange(
      h1.pod,
      h2.pod,
      POD2,
      ["tcp", `${CAPTURED_BYTES}`],
      ["udp", "1000", "5"],
      ["udp", "9000", "2"],
    );

    // tcpdump is behind, and at its stop leaves what it has not read.
    await eventually(() => {
      const seen = capture.seen().map((frame) => checkVxlanFrame(frame));
      expectEachProtocol(seen, h1.underlayIp, POD1);
      expectEachProtocol(seen, h2.underlayIp, POD2);
    });
    const frames = (await capture.stop()).map((frame) => checkVxlanFrame(frame));
    expect(frames.filter(({ faults }) => faults.length > 0)).toEqual([]);
  });

  it("drops frames that are not for it, each counted by its reason, and ignores reserved bits", async () => {
    await using network = await BackendNetwork.create(2);
    const [ours, { host: h2 }] = await connect(network, datapath);
    const echo = packetOf({
      source: POD2,
      destination: POD1,
      protocol: PROTOCOL.icmp,
      payload: icmpPayload(8, 0, countingBytes(60)),
    });
    const right: FrameFields = { vni: 1, destinationMac: ours.mac, sourceMac: KERNEL_MAC };
    const broadcast = "ff:ff:ff:ff:ff:ff";
    const frames = [
      frameOf(echo, { ...right, ethertype: "0806" }),
      frameOf(echo, { ...right, ethertype: "0806", destinationMac: broadcast }),
      frameOf(echo, { ...right, ethertype: "81000005" }),
      frameOf(echo, { ...right, ethertype: "88a80005" }),
      frameOf(echo, { ...right, destinationMac: broadcast }),
      frameOf(echo, { ...right, destinationMac: "01:00:5e:00:00:01" }),
      frameOf(echo, { ...right, destinationMac: KERNEL_MAC }),
      frameOf(echo, { ...right, vni: 2 }),
      frameOf(echo, { ...right, vni: 0x010001 }),
      frameOf(echo, { ...right, flags: 0 }),
      frameOf(echo, { ...right, flags: 0xf7 }),
      frameOf(echo, { ...right }).subarray(0, 21),
      ...Array.from({ length: 8 }, (_, bit) => frameOf(echo, { ...right, flags: 0x08 | (1 << bit) })),
      frameOf(echo, { ...right, reserved: "ffffff", lastByte: 0xff }),
    ];

    const hex = frames.map((frame) => frame.toString("hex"));
    const target = [h2.underlayIp, ours.host.underlayIp, `${VXLAN_PORT}`];
    await h2.namespace.execChecked([process.execPath, SEND, ...target, ...hex]);

    const answers = 9;
    const expected = {
      decapDropFrameType: 3,
      decapDropFrameMac: 4,
      decapDropFrameVni: 2,
      decapDropFrameFlags: 2,
      decapDropShort: 1,
      decapDelivered: answers,
      decapBytes: answers * echo.length,
      encapSent: answers,
      encapBytes: answers * echo.length,
    };
    await eventually(async () => expect(await nonZero(ours)).toEqual(expected));
  });

  it("drops a right frame of a stranger", async () => {
    await using network = await BackendNetwork.create(3);
    const [ours] = await connect(network, datapath);
    const stranger = network.host(3);
    const frame = frameOf(packetOf({ source: POD2, destination: POD1 }), {
      vni: 1,
      destinationMac: ours.mac,
      sourceMac: KERNEL_MAC,
    });

    const target = [stranger.underlayIp, ours.host.underlayIp, `${VXLAN_PORT}`];
    await stranger.namespace.execChecked([process.execPath, SEND, ...target, frame.toString("hex")]);

    await eventually(async () => expect(await nonZero(ours)).toEqual({ decapDropStranger: 1 }));
  });
});

describe("source ports of vxlan in user space", () => {
  it.each<[string, Partial<DatapathOptions>, (ports: ReadonlySet<number>) => void]>([
    ["differ by flow", {}, (ports) => expect(ports.size).toBeGreaterThan(1)],
    [
      "are our own where that is asked for",
      { sourcePort: "fixed" },
      (ports) => expect([...ports]).toEqual([VXLAN_PORT]),
    ],
  ])("%s", async (_what, settings, check) => {
    await using network = await BackendNetwork.create(2);
    const [{ host: h1 }] = await connect(network, {
      engine: "native",
      queues: 1,
      sourcePort: null,
      ...settings,
    });
    const capture = await captureFrames(
      network.underlay,
      "br0",
      `udp dst port ${VXLAN_PORT} and src ${h1.underlayIp}`,
    );

    // No one listens there: what counts is that the inner flows differ.
    for (let port = 1; port <= FLOWS; port++) {
      await h1.pod.execChecked([process.execPath, SEND, POD1, POD2, `${port}`, "00"]);
    }

    await eventually(() => {
      expect(capture.seen().length).toBeGreaterThanOrEqual(FLOWS);
    });
    const frames = await capture.stop();
    check(new Set(frames.map((frame) => frame.readUInt16BE(OUTER_SOURCE_PORT_AT))));
  });
});

/** What the host sent of its pod's packets. */
function expectEachProtocol(frames: readonly CheckedFrame[], underlayIp: string, pod: string): void {
  const sent = frames.filter(({ source, innerSource }) => source === underlayIp && innerSource === pod);
  const count = (protocol: number): number =>
    sent.filter(({ innerProtocol }) => innerProtocol === protocol).length;
  expect(count(PROTOCOL.icmp)).toBeGreaterThanOrEqual(3);
  expect(count(PROTOCOL.tcp)).toBeGreaterThan(CAPTURED_BYTES / 1450);
  expect(count(PROTOCOL.udp)).toBeGreaterThanOrEqual(5 + 2 * 7); // 9,000 bytes are 7 fragments
}
