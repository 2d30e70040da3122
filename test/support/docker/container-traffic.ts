/** What containers on two engines must be able to do with each other, however their engines got the hosts' subnets. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { Ipv4Address } from "../../../src/net/ipv4.ts";
import { noteSenders } from "../pod-traffic.ts";
import { WEB_DIRECTORY, WEB_PORT } from "./busybox-image.ts";
import type { EngineContainer } from "./engine-container.ts";
import { EngineLab } from "./engine-lab.ts";
import type { EngineHost, EngineLabOptions } from "./engine-lab.ts";

/** How the engines of one suite are set up. */
export interface ContainerSetting extends EngineLabOptions {
  /** Starts a container that is to be reached from the other host. */
  readonly run: (host: EngineHost, name: string) => Promise<EngineContainer>;
}

/** From which container to which. */
type Way = readonly [from: EngineContainer, to: EngineContainer];

/** 2 ms apart: as many seconds as thousands, doubled. */
const PINGS = 1_000;
const PING_INTERVAL_MS = 2;
const TRANSFER_BYTES = 100 * 2 ** 20;
const SERVED_FILE = "data";
/** Some seconds to make it, some to move it; the rest is for a busy machine. */
const TRANSFER_TIMEOUT = { timeoutMs: 80_000 };
/** For answers to a packet that is too long, which is never sent. */
const REFUSED_LINGER_MS = 200;
/** Run in a container, each prints a sum alone: of a new file of "$1" bytes at "$2", of what is at the address "$1". */
const MAKE_FILE = 'head -c "$1" /dev/urandom >"$2" && sha256sum <"$2"';
const FETCH_FILE = 'wget -q -O - "$1" | sha256sum';

/** Tests for a `describe`: a lab with two engines is made before them, and one container on each. */
export function itCarriesContainers(setting: ContainerSetting): void {
  let lab: EngineLab | undefined;
  let ways: readonly [Way, Way];
  beforeAll(async () => {
    lab = await EngineLab.create(setting);
    const [first, second] = lab.hosts;
    const [a, b] = [await setting.run(first, "c1"), await setting.run(second, "c2")];
    ways = [
      [a, b],
      [b, a],
    ];
  });
  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });
  const hosts = (): EngineLab["hosts"] => {
    if (lab === undefined) throw new Error("The lab is missing: beforeAll has failed");
    return lab.hosts;
  };

  it("gives a container an address of its host's subnet", async () => {
    for (const [i, { host }] of hosts().entries()) {
      const { subnet } = await host.subnetFile();
      const address = Ipv4Address.parse(ways[i]?.[0].address ?? "");
      expect(address !== null && subnet.contains(address)).toBe(true);
    }
  });

  it(`loses none of ${PINGS} pings each way, and the receiver sees the container's address`, async () => {
    for (const [from, to] of ways) {
      const readSenders = await noteSenders(to);
      const { sent, lost } = await from.ping(to.address, { count: PINGS, intervalMs: PING_INTERVAL_MS });
      expect({ sent, lost }).toEqual({ sent: PINGS, lost: 0 });
      expect(await readSenders()).toEqual([`${from.address} icmp`]);
    }
  });

  it("carries a packet of exactly the overlay MTU and refuses one byte more", async () => {
    const { overlayMtu } = await hosts()[0].host.subnetFile();
    for (const [from, to] of ways) {
      expect(Number(await from.dockerExec(["cat", "/sys/class/net/eth0/mtu"]))).toBe(overlayMtu);
      const fits = { bytes: overlayMtu, dontFragment: true };
      expect(await from.ping(to.address, fits)).toMatchObject({ sent: 3, received: 3 });
      const tooLong = { ...fits, bytes: overlayMtu + 1, lingerMs: REFUSED_LINGER_MS };
      expect(await from.ping(to.address, tooLong)).toMatchObject({ received: 0 });
    }
  });

  it("moves 100 MB intact, and the server sees who asks", async () => {
    for (const [client, server] of ways) {
      const path = `${WEB_DIRECTORY}/${SERVED_FILE}`;
      const make = ["sh", "-c", MAKE_FILE, "sh", `${TRANSFER_BYTES}`, path];
      const made = await server.dockerExec(make, TRANSFER_TIMEOUT);
      const url = `http://${server.address}:${WEB_PORT}/${SERVED_FILE}`;
      expect(await client.dockerExec(["sh", "-c", FETCH_FILE, "sh", url], TRANSFER_TIMEOUT)).toBe(made);
      await server.printed(`${client.address}:`);
    }
  });

  it("lets no packet of a container cross the underlay in clear", async () => {
    expect(await lab?.lab.leaks()).toEqual({ fromOverlay: 0, toOverlay: 0 });
  });
}
