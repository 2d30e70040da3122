/** Which peers are neighbours of this host on the underlay's link: a plain route can have those as gateways, and no other. */
import type { Logger } from "pino";
import type { IpCommand } from "../../kernel/ip-command.ts";
import { OnLinkWays } from "../../kernel/on-link-ways.ts";
import type { Peer, PeerSet } from "../../peers/peer.ts";

/** Lines about peers that one change may write: a person reads ten, and a link that goes down takes all peers along. */
const MAX_LINES = 10;

export interface PeerLinksDeps {
  readonly ip: IpCommand;
  readonly underlayInterface: string;
  readonly log: Logger;
}

/** Calls must not overlap. */
export class PeerLinks {
  readonly #deps: PeerLinksDeps;
  readonly #ways: OnLinkWays;
  /** Peers that were told to be away, by `Ipv4Address.value` of the underlay address. */
  #away: ReadonlySet<number> = new Set();

  constructor(deps: PeerLinksDeps) {
    const { ip, underlayInterface } = deps;
    this.#deps = deps;
    this.#ways = new OnLinkWays({ ip, isEnabled: true, accepts: (name) => name === underlayInterface });
  }

  /** Asks about those of `peers` that were not in the last call, and forgets who is not among them. */
  async learn(peers: PeerSet, signal: AbortSignal): Promise<void> {
    await this.#ways.learn(
      peers.map(({ underlayIp }) => underlayIp),
      signal,
    );
    this.#tell(peers);
  }

  /** Asks about all of `peers`, those of the last `learn`; resolves with how many came to the link or left it. */
  async refresh(peers: PeerSet, signal: AbortSignal): Promise<number> {
    const moved = await this.#ways.refresh(signal);
    this.#tell(peers);
    return moved.length;
  }

  /** Those of the peers that are on the underlay's link. */
  onLink(peers: PeerSet): PeerSet {
    return peers.filter((peer) => this.#isHere(peer));
  }

  #isHere({ underlayIp }: Peer): boolean {
    return this.#ways.deviceOf(underlayIp) !== null;
  }

  /** A new peer on the link is as it should be, and no news. */
  #tell(peers: PeerSet): void {
    const { log, underlayInterface } = this.#deps;
    const wasAway = ({ underlayIp }: Peer): boolean => this.#away.has(underlayIp.value);
    const away = peers.filter((peer) => !this.#isHere(peer));
    const back = peers.filter((peer) => this.#isHere(peer) && wasAway(peer));
    tellEach(
      away.filter((peer) => !wasAway(peer)),
      (peer) =>
        log.warn(
          { ...factsOf(peer), underlayInterface },
          "Peer is not on the same link, host-gw cannot reach it; use vxlan",
        ),
      (count) => log.warn({ peers: count, underlayInterface }, "More peers are not on the same link"),
    );
    tellEach(
      back,
      (peer) => log.info(factsOf(peer), "Peer is on the same link again"),
      (count) => log.info({ peers: count }, "More peers are on the same link again"),
    );
    this.#away = new Set(away.map(({ underlayIp }) => underlayIp.value));
  }
}

/** A line for each of a few peers; of many, the others as a number. */
function tellEach(peers: PeerSet, tell: (peer: Peer) => void, tellOthers: (count: number) => void): void {
  peers.slice(0, MAX_LINES).forEach(tell);
  if (peers.length > MAX_LINES) tellOthers(peers.length - MAX_LINES);
}

function factsOf({ subnet, underlayIp }: Peer): Record<string, string> {
  return { subnet: subnet.toString(), underlayIp: underlayIp.toString() };
}
