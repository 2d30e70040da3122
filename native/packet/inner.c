#include "packet/inner.h"

#include <netinet/in.h>
#include <string.h>

#include "packet/checksum.h"

#define IPV4_DONT_FRAGMENT 0x4000
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_FRAGMENT_OFFSET 0x1fff
/* What one hop less adds to the sum of the header: ~m + m' for m' = m - 0x0100, whatever m is. */
#define ONE_HOP_LESS 0xfeffu

#define MAX_EXTENSIONS 8	    /* RFC 8200 section 4.1 has 5 of them at most */
#define EXTENSION_UNIT_BYTES 8	    /* length of each is a multiple of it */
#define IPV6_FRAGMENT_OFFSET 0xfff8 /* RFC 8200 section 4.5 */
#define IPV6_MORE_FRAGMENTS 0x0001

/* Whether an IPv4 address names no host of an overlay: see isMartian() in check-header.ts. */
static bool is_martian(uint32_t address)
{
	uint32_t first = address >> 24;

	return (first == 0) | (first == 127) | (first >= 224) | (address >> 16 == 0xa9fe);
}

static bool is_martian6(struct ip6 address)
{
	bool is_special = address.high == 0 && (address.low <= 1 || address.low >> 32 == 0xffff);

	return is_special | (address.high >> 54 == 0xfe80 >> 6) | (address.high >> 56 == 0xff);
}

static inline uint64_t word_at(const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* Sum of a header without options, in memory order: below 2^35. */
static inline uint64_t sum_of_min_header(const uint8_t *header)
{
	return word_at(header) + word_at(header + 4) + word_at(header + 8) + word_at(header + 12) +
	       word_at(header + 16);
}

/*
 * A right header sums to 0xffff when folded, which is one's complement for zero: a multiple of
 * 65,535 and not 0. Not 0 it is anyway, for the version is in it; and one multiplication tells a
 * multiple. Byte order is no matter: to swap the bytes is to multiply by 256.
 */
static inline bool is_right_checksum(const uint8_t *header, size_t header_bytes)
{
	uint64_t sum = sum_of_min_header(header);

	if (header_bytes > INNER_MIN_HEADER_BYTES)
		sum = checksum_add(sum, header + INNER_MIN_HEADER_BYTES,
				   header_bytes - INNER_MIN_HEADER_BYTES);
	return sum % 0xffff == 0;
}

static inline enum inner_fault parse_ipv4(struct inner *inner, const uint8_t *packet, size_t bytes)
{
	size_t header_bytes = (size_t)(packet[0] & 0x0f) * 4;
	size_t total_bytes = read_be16(packet + 2);
	uint16_t fragment = read_be16(packet + 6);
	uint32_t source = read_be32(packet + 12);
	uint32_t destination = read_be32(packet + 16);

	if (header_bytes < INNER_MIN_HEADER_BYTES || header_bytes > bytes)
		return INNER_FAULT_HEADER_LENGTH;
	if (total_bytes < header_bytes || total_bytes > bytes)
		return INNER_FAULT_TOTAL_LENGTH;
	if (INNER_CHECKS && !is_right_checksum(packet, header_bytes))
		return INNER_FAULT_CHECKSUM;
	if (INNER_CHECKS && (is_martian(source) || is_martian(destination)))
		return INNER_FAULT_MARTIAN;
	*inner = (struct inner){
	    .version = 4,
	    .protocol = packet[9],
	    .ip_ttl = packet[8],
	    .must_not_fragment = fragment & IPV4_DONT_FRAGMENT,
	    .is_fragment = fragment & (IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET),
	    .is_later_fragment = fragment & IPV4_FRAGMENT_OFFSET,
	    .header_bytes = (uint16_t)header_bytes,
	    .total_bytes = (uint32_t)total_bytes,
	    .source = source,
	    .destination = destination,
	};
	return INNER_FAULT_NONE;
}

static inline bool is_extension(uint8_t next_header)
{
	return next_header == IPPROTO_HOPOPTS || next_header == IPPROTO_ROUTING ||
	       next_header == IPPROTO_DSTOPTS || next_header == IPPROTO_FRAGMENT;
}

struct inner_chain inner_follow_chain(const uint8_t *packet, size_t total_bytes)
{
	struct inner_chain chain = {.protocol = packet[6], .upper_at = INNER_IPV6_HEADER_BYTES};
	size_t bytes;

	for (int i = 0; is_extension(chain.protocol); i++) {
		const uint8_t *extension = packet + chain.upper_at;

		if (i == MAX_EXTENSIONS || total_bytes - chain.upper_at < EXTENSION_UNIT_BYTES)
			return chain;
		bytes = (extension[1] + (size_t)1) * EXTENSION_UNIT_BYTES;
		if (chain.protocol == IPPROTO_FRAGMENT) {
			uint16_t fragment = read_be16(extension + 2);

			bytes = EXTENSION_UNIT_BYTES; /* its second byte is reserved */
			/* Neither: a whole packet that only looks like one (RFC 6946). */
			chain.is_fragment |=
			    (fragment & (IPV6_FRAGMENT_OFFSET | IPV6_MORE_FRAGMENTS)) != 0;
			if (fragment & IPV6_FRAGMENT_OFFSET) {
				chain.is_later_fragment = true;
				return chain;
			}
		}
		if (bytes > total_bytes - chain.upper_at)
			return chain;
		chain.protocol = extension[0];
		chain.upper_at += bytes;
	}
	chain.is_whole = true;
	return chain;
}

static inline enum inner_fault parse_ipv6(struct inner *inner, const uint8_t *packet, size_t bytes)
{
	struct inner_chain chain = {.is_fragment = false};
	struct ip6 source, destination;
	size_t payload_bytes;

	if (bytes < INNER_IPV6_HEADER_BYTES)
		return INNER_FAULT_SHORT;
	payload_bytes = read_be16(packet + 4);
	if (payload_bytes == 0 || payload_bytes > bytes - INNER_IPV6_HEADER_BYTES)
		return INNER_FAULT_TOTAL_LENGTH;
	source = read_ip6(packet + 8);
	destination = read_ip6(packet + 24);
	if (INNER_CHECKS && (is_martian6(source) || is_martian6(destination)))
		return INNER_FAULT_MARTIAN;
	if (is_extension(packet[6]))
		chain = inner_follow_chain(packet, INNER_IPV6_HEADER_BYTES + payload_bytes);
	*inner = (struct inner){
	    .version = 6,
	    .protocol = packet[6],
	    .ip_ttl = packet[7],
	    .must_not_fragment = true,
	    .is_fragment = chain.is_fragment,
	    .is_later_fragment = chain.is_later_fragment,
	    .header_bytes = INNER_IPV6_HEADER_BYTES,
	    .total_bytes = (uint32_t)(INNER_IPV6_HEADER_BYTES + payload_bytes),
	    .source6 = source,
	    .destination6 = destination,
	};
	return INNER_FAULT_NONE;
}

enum inner_fault inner_parse(struct inner *inner, const uint8_t *packet, size_t bytes)
{
	if (bytes < INNER_MIN_HEADER_BYTES)
		return INNER_FAULT_SHORT;
	switch (packet[0] >> 4) {
	case 4:
		return parse_ipv4(inner, packet, bytes);
	case 6:
		return parse_ipv6(inner, packet, bytes);
	default:
		inner->version = packet[0] >> 4;
		return INNER_FAULT_VERSION;
	}
}

void inner_take_hop(uint8_t *packet)
{
	uint32_t sum;

	if (packet[0] >> 4 == 6) {
		packet[7]--;
		return;
	}
	packet[8]--;
	sum = (~(uint32_t)read_be16(packet + 10) & 0xffff) + ONE_HOP_LESS;
	write_be16(packet + 10, (uint16_t) ~(sum + (sum >> 16)));
}
