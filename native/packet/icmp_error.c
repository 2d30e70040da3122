#include "packet/icmp_error.h"

#include <netinet/in.h>
#include <string.h>

#include "packet/checksum.h"

#define ICMP_HEADER_BYTES 8
#define IPV4_ERROR_MAX_BYTES 576 /* every host takes it whole (RFC 1812 section 4.3.2.3) */
#define ERROR_TTL 64
/* Precedence "internetwork control", which a router's errors have (RFC 1812 section 4.3.2.5). */
#define TOS_INTERNETWORK_CONTROL 0xc0
/* With DF set the identification has no meaning and may be 0 (RFC 6864 section 4.1). */
#define DONT_FRAGMENT 0x4000

/* Errors to one sender: 10 at once (a traceroute sends up to 3 probes a hop), then 10/s. */
#define SENDER_BURST 10
#define SENDER_INTERVAL_US 100000
/* Errors in all: 100 at once, then 100/s; a flood of forged sources gets no more than that. */
#define TOTAL_BURST 100
#define TOTAL_INTERVAL_US 10000

/* ICMP types that ask or answer (IANA, "ICMP Type Numbers"); any other may be an error. */
static bool is_query(uint8_t type)
{
	switch (type) {
	case 0: /* echo reply, echo */
	case 8:
	case 13: /* timestamp */
	case 14:
	case 15: /* information */
	case 16:
	case 17: /* address mask */
	case 18:
	case 42: /* extended echo */
	case 43:
		return true;
	default:
		return false;
	}
}

/* The same for ICMPv6: what the others above 127 say stays on one link. */
static bool is_query6(uint8_t type)
{
	switch (type) {
	case 128: /* echo (RFC 4443) */
	case 129:
	case 139: /* node information (RFC 4620) */
	case 140:
		return true;
	default:
		return false;
	}
}

static bool may_answer_ipv4(const uint8_t *packet, const struct inner *inner)
{
	if (inner->protocol != IPPROTO_ICMP)
		return true;
	return inner->header_bytes < inner->total_bytes && is_query(packet[inner->header_bytes]);
}

static bool may_answer_ipv6(const uint8_t *packet, const struct inner *inner)
{
	struct inner_chain chain = inner_follow_chain(packet, inner->total_bytes);

	if (!chain.is_whole || chain.protocol != IPPROTO_ICMPV6)
		return chain.is_whole;
	return chain.upper_at < inner->total_bytes && is_query6(packet[chain.upper_at]);
}

bool icmp_may_answer(const uint8_t *packet, const struct inner *inner)
{
	if (inner->is_later_fragment)
		return false;
	return inner->version == 4 ? may_answer_ipv4(packet, inner)
				   : may_answer_ipv6(packet, inner);
}

static size_t quote_bytes_of(const struct inner *inner, size_t max_bytes)
{
	return inner->total_bytes < max_bytes ? inner->total_bytes : max_bytes;
}

/* Writes a checksum field that is zero, and counted in `sum` as such. */
static void write_checksum(uint8_t *at, uint64_t sum)
{
	uint16_t checksum = (uint16_t)~checksum_fold(sum);

	memcpy(at, &checksum, sizeof(checksum));
}

/*
 *    0 | IPv4 header, 20 bytes: from us to the offender's source                     |
 *   20 |     type      |     code      |           checksum            |   RFC 792
 *   24 |            unused             | next-hop MTU (3/4), else 0    |   RFC 1191 section 4
 *   28 | the offending packet from its IP header on, as much as fits into 576 bytes  |
 */
static size_t write_ipv4(uint8_t *out, const uint8_t *packet, const struct inner *inner,
			 enum icmp_reason reason, uint32_t address, size_t mtu)
{
	static const uint8_t types[][2] = {
	    [ICMP_NET_UNREACHABLE] = {3, 0},
	    [ICMP_TOO_BIG] = {3, 4},
	    [ICMP_TIME_EXCEEDED] = {11, 0},
	};
	uint8_t *icmp = out + INNER_MIN_HEADER_BYTES, *quote = icmp + ICMP_HEADER_BYTES;
	size_t overhead_bytes = (size_t)(quote - out);
	size_t quote_bytes = quote_bytes_of(inner, IPV4_ERROR_MAX_BYTES - overhead_bytes);

	memset(out, 0, overhead_bytes);
	memcpy(quote, packet, quote_bytes);
	memcpy(icmp, types[reason], sizeof(types[reason]));
	if (reason == ICMP_TOO_BIG)
		write_be16(icmp + 6, (uint16_t)mtu);
	write_checksum(icmp + 2, checksum_add(0, icmp, ICMP_HEADER_BYTES + quote_bytes));

	out[0] = 0x45;
	out[1] = TOS_INTERNETWORK_CONTROL;
	write_be16(out + 2, (uint16_t)(overhead_bytes + quote_bytes));
	write_be16(out + 6, DONT_FRAGMENT);
	out[8] = ERROR_TTL;
	out[9] = IPPROTO_ICMP;
	write_be32(out + 12, address);
	write_be32(out + 16, inner->source);
	write_checksum(out + 10, checksum_add(0, out, INNER_MIN_HEADER_BYTES));
	return overhead_bytes + quote_bytes;
}

static void write_ip6(uint8_t *at, struct ip6 address)
{
	write_be32(at, (uint32_t)(address.high >> 32));
	write_be32(at + 4, (uint32_t)address.high);
	write_be32(at + 8, (uint32_t)(address.low >> 32));
	write_be32(at + 12, (uint32_t)address.low);
}

/*
 *    0 | IPv6 header, 40 bytes: from us to the offender's source                     |
 *   40 |     type      |     code      |           checksum            |   RFC 4443
 *   44 |                   MTU (2/0), else unused 0                    |   section 3.2
 *   48 | the offending packet from its IP header on, as much as fits into 1280 bytes |
 */
static size_t write_ipv6(uint8_t *out, const uint8_t *packet, const struct inner *inner,
			 enum icmp_reason reason, struct ip6 address, size_t mtu)
{
	static const uint8_t types[][2] = {
	    [ICMP_NET_UNREACHABLE] = {1, 0},
	    [ICMP_TOO_BIG] = {2, 0},
	    [ICMP_TIME_EXCEEDED] = {3, 0},
	};
	uint8_t *icmp = out + INNER_IPV6_HEADER_BYTES, *quote = icmp + ICMP_HEADER_BYTES;
	size_t overhead_bytes = (size_t)(quote - out);
	size_t quote_bytes = quote_bytes_of(inner, ICMP_ERROR_MAX_BYTES - overhead_bytes);
	size_t payload_bytes = ICMP_HEADER_BYTES + quote_bytes;
	uint64_t sum;

	memset(out, 0, overhead_bytes);
	memcpy(quote, packet, quote_bytes);
	write_be32(out, 6u << 28 | TOS_INTERNETWORK_CONTROL << 20);
	write_be16(out + 4, (uint16_t)payload_bytes);
	out[6] = IPPROTO_ICMPV6;
	out[7] = ERROR_TTL;
	write_ip6(out + 8, address);
	write_ip6(out + 24, inner->source6);

	memcpy(icmp, types[reason], sizeof(types[reason]));
	if (reason == ICMP_TOO_BIG)
		write_be32(icmp + 4, (uint32_t)mtu);
	sum = checksum_add_pseudo(0, out, IPPROTO_ICMPV6, (uint32_t)payload_bytes);
	write_checksum(icmp + 2, checksum_add(sum, icmp, payload_bytes));
	return overhead_bytes + quote_bytes;
}

size_t icmp_write(uint8_t out[ICMP_ERROR_MAX_BYTES], const uint8_t *packet,
		  const struct inner *inner, enum icmp_reason reason,
		  const struct icmp_sender *sender, size_t mtu)
{
	if (inner->version == 4)
		return write_ipv4(out, packet, inner, reason, sender->address, mtu);
	return write_ipv6(out, packet, inner, reason, sender->address6, mtu);
}

/*
 * When a bucket will be full again after one more from it: the generic cell rate algorithm (ITU-T
 * I.371 annex A), which is a token bucket without a count to refill.
 */
static uint64_t full_again_at(uint64_t full_at_us, uint64_t interval_us, uint64_t now_us)
{
	return (full_at_us > now_us ? full_at_us : now_us) + interval_us;
}

bool icmp_limit_allow(struct icmp_limit *limit, const struct inner *inner, uint64_t now_us)
{
	uint64_t sender = inner->version == 4 ? inner->source : inner->source6.low;
	uint64_t *slot = &limit->sender_full_at_us[sender % ICMP_LIMIT_SLOTS];
	uint64_t sender_full_at = full_again_at(*slot, SENDER_INTERVAL_US, now_us);
	uint64_t total_full_at = full_again_at(limit->total_full_at_us, TOTAL_INTERVAL_US, now_us);

	if (sender_full_at - now_us > SENDER_BURST * SENDER_INTERVAL_US)
		return false;
	if (total_full_at - now_us > TOTAL_BURST * TOTAL_INTERVAL_US)
		return false;
	*slot = sender_full_at;
	limit->total_full_at_us = total_full_at;
	return true;
}
