import { describe, expect, it } from "vitest";
import { drawLab } from "../../../../src/lab/show/draw-lab.ts";
import type { HostReport } from "../../../../src/lab/show/lab-report.ts";

function host(number: number, pods: number): HostReport {
  return {
    name: `h${number}`,
    underlayIp: `192.0.2.${number}`,
    subnet: `10.244.${number}.0/24`,
    overlayMtu: 1472,
    agentPid: 4000 + number,
    agentState: "ready",
    datapath: "native",
    device: "flannel0",
    peers: 1,
    pods: Array.from({ length: pods }, (_, i) => ({
      name: `h${number}p${i + 1}`,
      address: `10.244.${number}.${i + 2}`,
    })),
  };
}

const PICTURE = {
  underlayNetwork: "192.0.2.0/24",
  underlayMtu: 1500,
  routerIp: "192.0.2.254",
  etcdUrl: "http://192.0.2.254:2379",
};

describe("drawLab", () => {
  it("draws the underlay, the hosts on it and the pods below them", () => {
    expect(drawLab({ ...PICTURE, hosts: [host(1, 1), host(2, 2)] })).toMatchInlineSnapshot(`
      "  +------------------------------------------------------------------------+
        | underlay 192.0.2.0/24, MTU 1500: a bridge, and a router at 192.0.2.254 |
        | etcd http://192.0.2.254:2379                                           |
        +-----------+-------------------------+----------------------------------+
                    |                         |
        +-----------+-----------+ +-----------+-----------+
        | h1                    | | h2                    |
        | eth0 192.0.2.1        | | eth0 192.0.2.2        |
        | agent, pid 4001       | | agent, pid 4002       |
        | native, flannel0      | | native, flannel0      |
        | pods 10.244.1.0/24    | | pods 10.244.2.0/24    |
        | overlay MTU 1472      | | overlay MTU 1472      |
        +-----------+-----------+ +-----------+-----------+
                    |                         |
             h1p1 10.244.1.2           h2p1 10.244.2.2
                                       h2p2 10.244.2.3

      "
    `);
  });

  it("keeps to 80 columns and shows every name once, however many hosts", () => {
    const hosts = Array.from({ length: 7 }, (_, i) => host(i + 1, 2));
    const drawn = drawLab({ ...PICTURE, hosts });
    expect(Math.max(...drawn.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    for (const { name, pods } of hosts) {
      expect(drawn.match(new RegExp(`\\b${name}\\b`, "g"))).toHaveLength(1);
      for (const pod of pods) expect(drawn.match(new RegExp(`\\b${pod.address}\\b`, "g"))).toHaveLength(1);
    }
  });

  it("holds the longest values there are", () => {
    const widest = {
      ...host(50, 0),
      subnet: "203.0.113.128/29",
      overlayMtu: 65_507,
      agentPid: 2 ** 22, // the kernel's PID_MAX_LIMIT on 64 bits
      device: "flannel.1234567", // IFNAMSIZ takes 15 characters
    };
    const drawn = drawLab({ ...PICTURE, hosts: [widest] });
    expect(drawn).toContain(
      "  | agent, pid 4194304    |\n  | native,               |\n  | flannel.1234567       |\n  | pods 203.0.113.128/29 |\n  | overlay MTU 65507     |\n",
    );
  });

  it("says when a host has no agent", () => {
    const bare = { ...host(1, 0), agentPid: null, datapath: null, subnet: null, overlayMtu: null };
    const drawn = drawLab({ ...PICTURE, etcdUrl: null, hosts: [bare] });
    expect(drawn).toContain("no agent");
    expect(drawn).not.toContain("etcd");
    expect(drawn).not.toContain("pods");
    expect(drawn).not.toContain("flannel");
  });
});
