import { chmod, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SavedState } from "../../../../src/agent/files/saved-state.ts";
import type { OverlaySnapshot } from "../../../../src/agent/overlay/overlay.ts";
import { Ipv4Address, Ipv4Prefix } from "../../../../src/net/ipv4.ts";
import type { CachedState } from "../../../../src/peers/cached-state.ts";
import { loadPeerCache } from "../../../../src/peers/peer-cache.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { recordLog } from "../../../support/log-lines.ts";

const SUBNET = new Ipv4Prefix(new Ipv4Address(0x0af40700), 24);
const CONFIG = {
  network: new Ipv4Prefix(new Ipv4Address(0x0af40000), 16),
  text: '{"Network":"10.244.0.0/16"}',
};
const PEER = {
  subnet: new Ipv4Prefix(new Ipv4Address(0x0af40800), 24),
  underlayIp: new Ipv4Address(0xc0000202),
  backend: { type: "" },
  nodeId: null,
};
const MARK = { clusterId: 14841639068965178418n, revision: 9n };

function snapshot(expiresAtMs: number | null, more: Partial<OverlaySnapshot> = {}): OverlaySnapshot {
  const attributes = {
    underlayIp: new Ipv4Address(0xc0000201),
    underlayIp6: null,
    backend: { type: "" },
    nodeId: "00",
  };
  const etcdLeaseId = expiresAtMs === null ? 0n : 7587899055665700368n;
  const lease = { subnet: SUBNET, subnet6: null, attributes, createRevision: 1n, revision: 1n, etcdLeaseId };
  const held = { kind: "held", lease, expiresAtMs } as const;
  return { config: CONFIG, lease: held, registryMark: MARK, peers: [PEER], ...more };
}

describe("SavedState", () => {
  let directory: string;
  let path: string;
  let clock: FakeClock;
  let saved: SavedState;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "twill-saved-state-"));
    path = join(directory, "peers.json");
    clock = new FakeClock();
    saved = new SavedState(path, "/coreos.com/network", { clock, log: recordLog().log });
  });

  afterEach(() => rm(directory, { recursive: true }));

  /** What the next start would find. */
  async function readBack(): Promise<CachedState | null> {
    await saved.close();
    return (await loadPeerCache(path)).state;
  }

  it("writes what the next start needs, the end of the lease by the wall clock", async () => {
    await clock.advance(1000);
    saved.save(snapshot(86_401_000));
    const state = await readBack();
    expect(state).toEqual({
      etcdPrefix: "/coreos.com/network",
      network: CONFIG.network,
      networkConfig: CONFIG.text,
      ownLease: {
        subnet: SUBNET,
        etcdLeaseId: 7587899055665700368n,
        expiresAtWallMs: Date.UTC(2026, 0, 2) + 1000,
      },
      registry: MARK,
      peers: [PEER],
    });
  });

  it("lets nobody but its owner read the file, whoever could before", async () => {
    await writeFile(path, "");
    await chmod(path, 0o644);
    saved.save(snapshot(1000));
    await readBack();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it("writes a reservation as one that never ends", async () => {
    saved.save(snapshot(null));
    expect((await readBack())?.ownLease).toEqual({ subnet: SUBNET, etcdLeaseId: 0n, expiresAtWallMs: null });
  });

  it("forgets a lease that is lost", async () => {
    saved.save(snapshot(1000, { lease: { kind: "lost", subnet: SUBNET, reason: "taken" } }));
    expect(await readBack()).toMatchObject({ ownLease: null, peers: [PEER] });
  });

  it("keeps the old file until the registry has spoken and the lease is decided", async () => {
    saved.save(snapshot(1000, { registryMark: null }));
    saved.save(snapshot(1000, { lease: { kind: "cached", subnet: SUBNET } }));
    saved.save(snapshot(1000, { lease: { kind: "none" } }));
    expect(await readBack()).toBeNull();
  });

  it("writes a renewal when the end has moved a minute or more", async () => {
    saved.save(snapshot(100_000));
    saved.saveIfRenewed(snapshot(159_999));
    await clock.advance(1000);
    saved.saveIfRenewed(snapshot(160_000));
    saved.saveIfRenewed(snapshot(170_000));
    expect((await readBack())?.ownLease?.expiresAtWallMs).toBe(Date.UTC(2026, 0, 1) + 160_000);
  });
});
