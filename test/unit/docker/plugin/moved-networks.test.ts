import { describe, expect, it } from "vitest";
import { MovedNetworks } from "../../../../src/docker/plugin/moved-networks.ts";
import type { MoveNews } from "../../../../src/docker/plugin/moved-networks.ts";
import type { HostLease, Network } from "../../../../src/docker/plugin/state/plugin-state.ts";
import { prefixOf } from "../../../support/ipv4.ts";
import { EMPTY, LEASE, MOVED_LEASE, NETWORK, at } from "./samples.ts";

const THIRD_LEASE: HostLease = { ...LEASE, subnet: prefixOf("10.244.11.0/24") };
const NOTHING: MoveNews = { moved: [], back: [] };

function looker(): (lease: HostLease | null, networks?: readonly Network[]) => MoveNews {
  const networks = new MovedNetworks();
  return (lease, known = [NETWORK]) => networks.look(known, at(EMPTY, lease).view);
}

describe("MovedNetworks", () => {
  it("tells once of a lease that has moved, and of each further one", () => {
    const look = looker();
    expect(look(LEASE)).toEqual(NOTHING);
    expect(look(MOVED_LEASE)).toEqual({ moved: [NETWORK], back: [] });
    expect(look(MOVED_LEASE)).toEqual(NOTHING);
    expect(look(THIRD_LEASE)).toEqual({ moved: [NETWORK], back: [] });
    expect(look(THIRD_LEASE)).toEqual(NOTHING);
  });

  it("tells once that it is back, and then of the next move to where it was before", () => {
    const look = looker();
    look(MOVED_LEASE);
    expect(look(LEASE)).toEqual({ moved: [], back: [NETWORK] });
    expect(look(LEASE)).toEqual(NOTHING);
    expect(look(MOVED_LEASE)).toEqual({ moved: [NETWORK], back: [] });
  });

  it("does not tell again when there was no lease in between, as while the agent starts", () => {
    const look = looker();
    look(MOVED_LEASE);
    expect(look(null)).toEqual(NOTHING);
    expect(look(MOVED_LEASE)).toEqual(NOTHING);
  });

  it("forgets a network that is no more", () => {
    const look = looker();
    look(MOVED_LEASE);
    expect(look(MOVED_LEASE, [])).toEqual(NOTHING);
    expect(look(MOVED_LEASE)).toEqual({ moved: [NETWORK], back: [] });
  });
});
