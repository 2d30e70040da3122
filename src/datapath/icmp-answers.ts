/** Answers to packets that we drop: which of them get one, in their own IP family, and what it says. */
import { MAX_ICMP_ERROR_BYTES, mayAnswer, writeIcmpError } from "./icmp-error.ts";
import { IcmpRateLimit } from "./icmp-rate-limit.ts";
import { MAX_ICMPV6_ERROR_BYTES, mayAnswerIpv6, writeIcmpv6Error } from "./icmpv6-error.ts";
import { isIpv6 } from "./inner-packet.ts";
import { sourceOf } from "./ipv4-header.ts";
import { DESTINATION_AT } from "./ipv6-header.ts";
import { ipv6BytesOf } from "./ipv6-range.ts";
import { COUNTER, addTo } from "./packet-counters.ts";
import type { CounterBlock, CounterIndex } from "./packet-counters.ts";
import type { PacketEngineOptions } from "./packet-engine.ts";
import { requireIpv6Sender } from "./require-ipv6-sender.ts";

/** Why a packet is refused, as type and code of ICMP, and as type of ICMPv6, where the code is 0. */
export interface IcmpReason {
  readonly type: number;
  readonly code: number;
  readonly typeIpv6: number;
}

export const NET_UNREACHABLE: IcmpReason = { type: 3, code: 0, typeIpv6: 1 };
/** IPv4: fragmentation needed. */
export const TOO_BIG: IcmpReason = { type: 3, code: 4, typeIpv6: 2 };
export const TIME_EXCEEDED: IcmpReason = { type: 11, code: 0, typeIpv6: 3 };

/** Longest answer of either family. */
export const MAX_ANSWER_BYTES = Math.max(MAX_ICMP_ERROR_BYTES, MAX_ICMPV6_ERROR_BYTES);

/** Why the sender of a packet with this outcome is to be told of it, or null when it is not. */
export function icmpReasonOf(outcome: CounterIndex): IcmpReason | null {
  switch (outcome) {
    case COUNTER.encapDropTtl:
      return TIME_EXCEEDED;
    case COUNTER.encapDropNoPeer:
      return NET_UNREACHABLE;
    case COUNTER.encapDropDontFragment:
      return TOO_BIG;
    default:
      return null;
  }
}

/** What an engine answers: decides, counts what it holds back, and writes. */
export class IcmpAnswers {
  readonly #tunAddress: number;
  readonly #tunAddress6: Buffer;
  readonly #overlayMtu: number;
  readonly #counters: CounterBlock;
  readonly #nowMs: () => number;
  /** Two, so that what comes from peers cannot use up the errors that senders on this host get. */
  readonly #ownLimit = new IcmpRateLimit();
  readonly #peerLimit = new IcmpRateLimit();

  /**
   * @param nowMs time that never goes back
   * @throws {RangeError} when the node carries IPv6 and has no address to send such errors from
   */
  constructor(
    options: Pick<PacketEngineOptions, "ownSubnet6" | "tunAddress" | "tunAddress6" | "overlayMtu">,
    counters: CounterBlock,
    nowMs: () => number,
  ) {
    requireIpv6Sender(options);
    this.#tunAddress = options.tunAddress.value;
    this.#tunAddress6 = options.tunAddress6 === null ? Buffer.alloc(0) : ipv6BytesOf(options.tunAddress6);
    this.#overlayMtu = options.overlayMtu;
    this.#counters = counters;
    this.#nowMs = nowMs;
  }

  /** Whether a host of ours may be told about its packet now. True counts as an answer given. */
  mayAnswerOwn(offender: Buffer): boolean {
    return this.#mayAnswer(offender, this.#ownLimit);
  }

  /** The same for a host behind a peer. */
  mayAnswerPeer(offender: Buffer): boolean {
    return this.#mayAnswer(offender, this.#peerLimit);
  }

  /** Writes the error about a packet at the start of `out`, which has {@link MAX_ANSWER_BYTES}; gives its length. */
  write(out: Buffer, offender: Buffer, reason: IcmpReason): number {
    const mtu = reason === TOO_BIG ? this.#overlayMtu : 0;
    return isIpv6(offender)
      ? writeIcmpv6Error(out, offender, reason.typeIpv6, this.#tunAddress6, mtu)
      : writeIcmpError(out, offender, reason, this.#tunAddress, mtu);
  }

  #mayAnswer(offender: Buffer, limit: IcmpRateLimit): boolean {
    if (!(isIpv6(offender) ? mayAnswerIpv6(offender) : mayAnswer(offender))) return false;
    if (limit.allow(senderOf(offender), this.#nowMs())) return true;
    addTo(this.#counters, COUNTER.icmpRateLimited, 1);
    return false;
  }
}

/** What the limit knows a sender by: the low 32 bits of its address, where the hosts of a subnet differ. */
function senderOf(packet: Buffer): number {
  return isIpv6(packet) ? packet.readUInt32BE(DESTINATION_AT - 4) : sourceOf(packet);
}
