/** What the compose lab must show, on an engine that has its images. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually } from "../eventually.ts";
import { parseBenchTable } from "./bench-table.ts";
import {
  composeHosts,
  composeLeases,
  composeSubnets,
  configuredBackend,
  expectTraffic,
  podAddresses,
  podsAnswer,
} from "./compose-hosts.ts";
import { COMPOSE_HOSTS, COMPOSE_PARTS, ComposeLab } from "./compose-lab.ts";
import type { ComposeSettings } from "./compose-lab.ts";
import { fromComposePage } from "./compose-page.ts";
import type { DockerEngine } from "./docker-engine.ts";
import { FOOTPRINT_KINDS } from "./engine-footprint.ts";

/** A look at all hosts runs a dozen commands in containers: some seconds on a busy machine. */
const SETTLED = { timeoutMs: 60_000 };

/** Where the lab runs, and of what images. */
export interface ComposePlace {
  readonly engine: DockerEngine;
  readonly images: ComposeSettings & { readonly TWILL_BASE: string };
}

/** A way of carrying packets. */
interface Way {
  readonly backend: string;
  readonly datapath: string;
  readonly overlayMtu: number;
  /** The devices by which each host carries. */
  readonly carriers: readonly (readonly string[])[];
}

const everywhere = (...carriers: string[]): string[][] => COMPOSE_HOSTS.map(() => carriers);

const UDP = { backend: "udp", overlayMtu: 1472 };
const VXLAN = { backend: "vxlan", overlayMtu: 1450 };
const HOST_GW = { backend: "host-gw", overlayMtu: 1500 };
const AS_ENV_SAYS: Way = { ...UDP, datapath: "user", carriers: everywhere("tun flannel0") };
/** Another backend and device, the same ones but for who carries, and no device any more. */
const CHANGES: readonly Way[] = [
  { ...VXLAN, datapath: "user", carriers: everywhere("tun flannel.1") },
  { ...VXLAN, datapath: "kernel", carriers: everywhere("vxlan flannel.1") },
  { ...HOST_GW, datapath: "user", carriers: everywhere() },
];
const MIXED: Way = {
  ...VXLAN,
  datapath: "user",
  carriers: [["tun flannel.1"], ["vxlan flannel.1"], ["tun flannel.1"]],
};
/** What the page puts over docker-compose.yml, and then runs on host2. */
const MIXED_FILE = fromComposePage(/```yaml\n# docker-compose\.override\.yml\n(services:\n[^`]*)```/g);
const MIXED_COMMAND = fromComposePage(/docker compose exec -T host2 (ethtool .*)/g).split(" ");

/** One lab for all tests: each `up` changes what the one before has made, as with people who try the ways. */
export function itRunsTheComposeLab(place: () => ComposePlace): void {
  const made = new AsyncDisposableStack();
  let lab: ComposeLab;
  let mixedFile: string;
  beforeAll(async () => {
    const directory = await mkdtemp(join(tmpdir(), "twl-test-compose-"));
    made.defer(() => rm(directory, { recursive: true }));
    mixedFile = join(directory, "docker-compose.override.yml");
    await writeFile(mixedFile, MIXED_FILE);
    lab = made.use(await ComposeLab.create(place().engine, place().images));
  });
  afterAll(() => made.disposeAsync());

  it("carries pods as .env says", async () => {
    await lab.up();
    const [, ofHost2] = await expectCarried(lab, AS_ENV_SAYS);
    expect(await lab.composeExec("host2", ["twill", "pod", "ip", "web"])).toBe(ofHost2);
  });

  it("measures overlay against underlay by the service bench", async () => {
    const [, ...others] = await composeSubnets(lab);
    const rows = parseBenchTable(await lab.run("bench", ["--seconds=1", "--repeats=1"]));
    expect(rows.map(({ peer, path }) => `${peer} ${path}`).sort()).toEqual(
      others.flatMap((subnet) => [`${subnet} overlay`, `${subnet} underlay`]).sort(),
    );
    for (const { path, gigabitsPerSecond, percentOfUnderlay, roundTripMs, lostPings } of rows) {
      const figures = [
        gigabitsPerSecond,
        roundTripMs,
        ...(path === "overlay" ? [percentOfUnderlay ?? 0] : []),
      ];
      expect(Math.min(...figures)).toBeGreaterThan(0);
      expect(lostPings).toBe("0 of 200");
    }
  });

  it.each(CHANGES)(
    "is changed to $backend ($datapath) by `up`, and each host keeps its subnet",
    async (way) => {
      const before = await composeSubnets(lab);
      await lab.up({ TWILL_BACKEND: way.backend, TWILL_DATAPATH: way.datapath });
      await expectCarried(lab, way);
      expect(await composeSubnets(lab)).toEqual(before);
    },
  );

  it("is changed to hosts of both kinds of vxlan by the file that the page shows", async () => {
    await lab.up({ TWILL_BACKEND: MIXED.backend, TWILL_DATAPATH: MIXED.datapath }, [mixedFile]);
    await lab.exec("host2", MIXED_COMMAND);
    await expectCarried(lab, MIXED);
  });

  it("leaves nothing after `down -v` of all that it has made", async () => {
    const kinds = (await lab.leftovers()).map((line) => line.split(" ")[0]);
    expect([...new Set(kinds)].sort()).toEqual(FOOTPRINT_KINDS);
    await lab.down();
    await eventually(async () => expect(await lab.leftovers()).toEqual([]), SETTLED);
  });

  it("is taken down when `up` has failed on the way", async () => {
    const failed = await ComposeLab.create(place().engine, place().images);
    const { TWILL_BASE } = place().images;
    await expect(failed.up({ TWILL_ETCD_IMAGE: TWILL_BASE })).rejects.toThrow(/etcd.*not found/s);
    expect(await failed.leftovers()).toContain("network twill-compose_underlay");
    await failed[Symbol.asyncDispose]();
    await eventually(async () => expect(await failed.leftovers()).toEqual([]), SETTLED);
  });
}

/**
 * Waits for the pods; then traffic of every pair, and no trace in etcd, agents or engine of how it was carried before.
 * Resolves with the pods' addresses.
 */
async function expectCarried(lab: ComposeLab, way: Way): Promise<string[]> {
  const startMs = performance.now();
  const addresses = await podAddresses(lab);
  await podsAnswer(lab, addresses);
  const seconds = (performance.now() - startMs) / 1000;
  console.info(`${way.backend}, ${way.datapath}: pods answer ${seconds.toFixed(1)} s after \`up\``);
  await expectTraffic(lab, addresses);
  await eventually(() => expectSettled(lab, way), SETTLED);
  return addresses;
}

async function expectSettled(lab: ComposeLab, { backend, overlayMtu, carriers }: Way): Promise<void> {
  const hosts = await composeHosts(lab);
  const nodes = hosts.map(({ own }) => own);
  expect(hosts).toEqual(
    nodes.map((own, index) => ({
      ...{ ready: true, backend, own },
      peers: nodes.toSpliced(index, 1).sort(),
      carriers: carriers[index],
      mtus: [overlayMtu, overlayMtu],
    })),
  );
  expect(await composeLeases(lab)).toEqual([...nodes].sort().map((node) => ({ node, backend })));
  expect(await configuredBackend(lab)).toBe(backend);
  const parts = (await lab.leftovers()).filter((line) => /^(container|network|volume) /.test(line));
  expect(parts.sort()).toEqual(COMPOSE_PARTS);
}
