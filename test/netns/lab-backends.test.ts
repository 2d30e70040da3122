/** `twill lab` with each way of carrying packets, and with hosts that differ. */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openLab } from "../../src/lab/lab.ts";
import type { Lab } from "../../src/lab/lab.ts";
import { runChecked, runCommand } from "../../src/lab/machine/run-command.ts";
import { makeLabFolder, ownName, removeLabFolder } from "../support/lab-folder.ts";

const TWILL = fileURLToPath(new URL("../../bin/twill", import.meta.url));

let stateDirectory: string;
beforeAll(() => (stateDirectory = makeLabFolder()));
afterAll(async () => await removeLabFolder(stateDirectory));

/** Every pod reaches every other with its largest packet, and with no larger one. */
async function expectAllAnswered(lab: Lab | null, overlayMtu: number): Promise<void> {
  const pods = lab?.pods ?? [];
  expect(pods.length).toBeGreaterThan(1);
  const pairs = pods.flatMap((from) => pods.filter((to) => to !== from).map((to) => ({ from, to })));
  const whole = { count: 20, lingerMs: 300, dontFragment: true };
  const counts = await Promise.all(
    pairs.map(async ({ from, to }) => ({
      whole: await from.ping(to.address, { ...whole, bytes: overlayMtu }),
      over: await from.ping(to.address, { ...whole, bytes: overlayMtu + 1 }),
    })),
  );
  for (const count of counts) {
    expect(count.whole).toMatchObject({ sent: 20, received: 20, lost: 0, duplicates: 0 });
    expect(count.over).toMatchObject({ received: 0 });
  }
}

describe("twill lab up", () => {
  it("takes hosts that carry vxlan each in its own way, keeps that over restarts, and shows it", async () => {
    const name = ownName("mixed");
    const named = ["--name", name, "--state-dir", stateDirectory];
    const flags = ["--host-flags", "h2=--datapath=kernel", "--host-flags", "h3=--engine=dgram --queues=1"];
    const up = await runCommand([TWILL, "lab", "up", "--backend", "vxlan", ...flags, ...named]);
    try {
      expect(up).toMatchObject({ code: 0, stderr: "" });
      expect(up.stdout).toContain(
        "| native, flannel.1     | | kernel, flannel.1     | | dgram, flannel.1      |",
      );
      expect(up.stdout).toContain("h1 -- ip -d -s link show flannel.1");
      const restarted = await runCommand([TWILL, "lab", "restart", ...named, "h2"]);
      expect(restarted).toMatchObject({ code: 0, stderr: "" });

      const status = await runChecked([TWILL, "lab", "status", ...named]);
      expect(status).toMatch(/^Lab mixed-[0-9]+: backend vxlan, overlay /);
      expect(status.match(/ ready +(native|kernel|dgram) +2 /g)?.map((text) => text.split(/ +/)[2])).toEqual([
        "native",
        "kernel",
        "dgram",
      ]);
      const lab = await openLab(name, stateDirectory);
      const link = (await lab?.host(1).execChecked(["ip", "-d", "link", "show", "flannel.1"])) ?? "";
      expect(link).toContain("vxlan id 1 local 192.0.2.2 dev eth0");
      await expectAllAnswered(lab, 1450);
      expect(await lab?.leakedPackets()).toBe(0);
    } finally {
      await runChecked([TWILL, "lab", "down", ...named]);
    }
  });

  it("takes options of a backend, and a backend that sends in clear", async () => {
    const name = ownName("clear");
    const named = ["--name", name, "--state-dir", stateDirectory];
    const direct = [
      "--backend",
      "vxlan",
      "--backend-option",
      "DirectRouting=true",
      "--backend-option",
      "VNI=7",
    ];
    for (const [options, device, mtu] of [
      [["--backend", "host-gw"], "routes, eth0", 1500],
      [direct, "native, flannel.7", 1450],
    ] as const) {
      const up = await runCommand([TWILL, "lab", "up", "--hosts", "2", ...options, ...named]);
      try {
        expect(up).toMatchObject({ code: 0, stderr: "" });
        expect(up.stdout).toContain(`| ${device} `);
        const lab = await openLab(name, stateDirectory);
        await expectAllAnswered(lab, mtu);
        const h2 = lab?.host(1);
        const way = await lab?.host(0).execChecked(["ip", "route", "get", h2?.pod.address ?? ""]);
        expect(way).toContain("via 192.0.2.2 dev eth0");
        await expect(lab?.leakedPackets()).rejects.toThrow("in clear by design");
      } finally {
        await runChecked([TWILL, "lab", "down", ...named]);
      }
    }
  });
});

describe("twill lab demo", () => {
  it("shows that all three backends work, and ends with demo: ok", async () => {
    const demo = await runCommand([TWILL, "lab", "demo", "--state-dir", stateDirectory], {
      timeoutMs: 60_000,
    });
    expect(demo).toMatchObject({ code: 0, stderr: "" });
    expect(demo.stdout.trimEnd().split("\n").at(-1)).toBe("demo: ok");
    const [, udp = "", vxlan = "", hostGw = ""] = demo.stdout.split(/^=== /m);
    for (const part of [udp, vxlan, hostGw]) expect(part.match(/20 of 20 answered/g)).toHaveLength(6);
    expect(udp).toMatch(/192\.0\.2\.1:8285 > 192\.0\.2\.2:8285, UDP, 112 bytes, TTL 64/);
    expect(vxlan).toMatch(/192\.0\.2\.1:[0-9]+ > 192\.0\.2\.2:8472, UDP, 134 bytes, TTL/);
    expect(vxlan).toMatch(/ready +native .*\n.*ready +kernel .*\n.*ready +dgram /);
    expect(vxlan).toContain("in clear: 0");
    expect(hostGw).toMatch(/underlay br0 .*, 84 bytes, TTL 63, not encapsulated/);
    expect(hostGw).toContain("so there are no leaks to count");
    expect(readdirSync(stateDirectory).filter((name) => name.startsWith("demo-"))).toEqual([]);
  });

  it("shows one backend when that is asked for", async () => {
    const options = ["--backend", "host-gw", "--hosts", "2", "--state-dir", stateDirectory];
    const demo = await runCommand([TWILL, "lab", "demo", ...options], { timeoutMs: 60_000 });
    expect(demo).toMatchObject({ code: 0, stderr: "" });
    expect(demo.stdout.match(/^=== .*/gm)).toEqual([expect.stringMatching(/^=== host-gw: /)]);
    expect(demo.stdout).toContain("| overlay MTU 1500      |");
  });
});
